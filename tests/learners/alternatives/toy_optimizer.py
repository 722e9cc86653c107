"""An optimizer in the form that `EvolutionStrategy` wants: it goes to the mean of the better half."""

from typing import Any

import numpy as np
import torch

from analog import stream


class BetterHalf:
    """Candidates are normal around the mean; all follow from the seed that it was handed last."""

    def __init__(self, mean: Any, sigma: float = 0.1, population_size: int = 8) -> None:
        self.mean, self.sigma, self.population_size = mean, sigma, population_size
        self.drawn: list[Any] = []
        self.solutions: list[tuple[Any, float]] = []

    def reseed_rng(self, seed: int) -> None:
        shape, generator = (self.population_size, len(self.mean)), stream(seed, "candidates")
        self.drawn = list(torch.randn(shape, generator=generator, dtype=torch.float64).numpy())

    def ask(self) -> Any:
        return self.mean + self.sigma * self.drawn.pop()

    def tell(self, solutions: list[tuple[Any, float]]) -> None:
        self.solutions = solutions
        best = sorted(solutions, key=lambda pair: pair[1])[: len(solutions) // 2]
        self.mean = np.mean([vector for vector, _ in best], 0)
