"""Any evolution strategy that asks for candidates and is told their losses, through the wires of a chip.

The form is that of the library `cmaes`, Nomura and Shibata, "cmaes: a simple yet practical Python library for
CMA-ES" (2024), https://arxiv.org/abs/2402.01373, so its strategies with a `mean` fit as they are; another
library's fits in a class of five short methods.

Candidates are never written: each is an additive input at the knobs, its difference to the mean, during one
measurement of the batch. Then the chip is pulsed by as much as the mean has moved. What a pulse misses is not
known, and moves the point from which the strategy counts.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, Probe
from analog.spec import Knobs, Spec

from ..estimators.estimate import judge_baseline
from ..learner import Batch, Step
from ..losses import Loss, require_loss


@runtime_checkable
class AskTellOptimizer(Protocol):
    """An optimizer of a vector that asks for candidates and is told their losses; it may alter itself.

    It draws from a generator of its own alone, and `copy.deepcopy` copies all but the state of that.
    """

    @property
    def population_size(self) -> int:
        """The number of candidates that it wants to be told of at once."""
        ...

    @property
    def mean(self) -> Any:
        """The vector that it has come to, (coordinates,)."""
        ...

    def reseed_rng(self, seed: int) -> None:
        """Begin its random numbers anew."""
        ...

    def ask(self) -> Any:
        """Draw one candidate, a vector (coordinates,)."""
        ...

    def tell(self, solutions: list[tuple[Any, float]]) -> None:
        """Take in pairs of a candidate and its loss."""
        ...


class EvolutionState(NamedTuple):
    """The state of an `EvolutionStrategy`: an optimizer for each chip of a fleet, or for the one chip."""

    optimizers: tuple[AskTellOptimizer, ...]


@dataclass(frozen=True)
class EvolutionStrategy:
    """A learner whose pulses are what an optimizer made of candidates' losses.

    Every chip of a fleet has an optimizer of its own, and all candidates of all chips are measured at once.
    The state holds the optimizers themselves, so no file keeps it.

    Args:
        make: an optimizer, of a mean (coordinates,) of zeros in float64 to begin with, such as
            `partial(cmaes.SepCMA, sigma=0.01)`; its unit is full scale.
        loss: of the chip's outputs, averaged over the batch, which all candidates share.

    Raises:
        TypeError: `make` is no function, or `loss` no loss.
    """

    make: Callable[[Any], AskTellOptimizer]
    loss: Loss

    def __post_init__(self) -> None:
        require_loss(self.loss, "EvolutionStrategy")
        if not callable(self.make):
            raise TypeError(f"EvolutionStrategy: make is {self.make!r}, wanted a function of the first mean")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: to the loss, or to the outputs by which that is found."""
        del spec  # whatever the chip
        return Access("outputs" if self.loss.needs_outputs else "loss", node_probes=False)

    def init(self, spec: Spec) -> EvolutionState:
        """An optimizer for each chip.

        Raises:
            TypeError: what is made lacks a method of `AskTellOptimizer`.
        """
        made = tuple(self.make(np.zeros(sum(_sizes(spec)))) for _ in range(prod(spec.fleet)))
        if not isinstance(made[0], AskTellOptimizer):
            methods = "population_size, mean, reseed_rng, ask and tell"
            raise TypeError(f"EvolutionStrategy: make gave a {type(made[0]).__name__}, wanted {methods}")
        return EvolutionState(made)

    def step(
        self, port: Port, batch: Batch, state: EvolutionState, generator: Generator
    ) -> tuple[EvolutionState, Step]:
        """Read the batch, measure all candidates of a generation, and pulse the chip once."""
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        mean_loss = baseline.losses.sum(-1).mean(-1)  # refused before anything is probed
        optimizers = copy.deepcopy(state.optimizers)
        before = _stack([optimizer.mean for optimizer in optimizers])
        candidates = _ask(optimizers, generator)
        offsets = candidates - before.unsqueeze(1)  # (chips, population, coordinates)
        probe = Probe(knobs=_at_knobs(port.spec, offsets.movedim(1, 0)))
        losses = baseline.judge(port.measure(batch.x, probe)).sum(-1).mean(-1)  # (population, *fleet)
        found = losses.reshape(len(losses), -1).mT.tolist()
        for optimizer, vectors, values in zip(optimizers, candidates.numpy(), found, strict=True):
            optimizer.tell(list(zip(vectors, values, strict=True)))
        moved = _stack([optimizer.mean for optimizer in optimizers]) - before
        port.pulse(tuple(part.squeeze(0) for part in _at_knobs(port.spec, moved.unsqueeze(0))))
        return EvolutionState(optimizers), Step(mean_loss, reading)


def _ask(optimizers: Sequence[AskTellOptimizer], generator: Generator) -> Tensor:
    """A generation of every chip, (chips, population, coordinates), drawn by seeds of the learner's own."""
    seeds = torch.randint(2**32 - 1, (len(optimizers),), generator=generator, device=generator.device)
    found = []
    for optimizer, seed in zip(optimizers, seeds.tolist(), strict=True):
        optimizer.reseed_rng(seed)
        found.append(_stack([optimizer.ask() for _ in range(optimizer.population_size)]))
    return torch.stack(found)


def _stack(vectors: Sequence[Any]) -> Tensor:
    """A copy of vectors of an optimizer, float64."""
    return torch.from_numpy(np.array(vectors, dtype=np.float64))


def _sizes(spec: Spec) -> list[int]:
    """How many knobs each layer of one chip has."""
    return [prod(shape[len(spec.fleet) :]) for shape in spec.shapes]


def _at_knobs(spec: Spec, vectors: Tensor) -> Knobs:
    """Vectors (count, chips, coordinates) as knobs (count, *fleet, tiles, rows, cols)."""
    parts = vectors.to(spec.on, spec.dtype).split(_sizes(spec), -1)
    return tuple(part.reshape(-1, *shape) for part, shape in zip(parts, spec.shapes, strict=True))
