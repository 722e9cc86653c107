"""The two-stage rule: sampled means against a law, with a false alarm once in a thousand million."""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

STAGES = ((1, 3.2905), (10, 4.8916))  # (sample factor, bound on |z|): two-sided 1e-3, then 1e-6

Sample = Callable[[int, Generator], Tensor]  # (n, generator) -> (n, means), independent rows


def two_stage(sample: Sample, wanted: Tensor, size: int, generator: Generator) -> tuple[float, ...]:
    """Worst |z| of sampled means against a law, at each stage that was needed.

    Stage 1 tests at 1e-3; only on failure stage 2 draws an independent ten-fold sample and tests at
    1e-6. A true law fails both with probability about 1e-9 per mean, while the normal limit is trusted
    only to moderate z.

    Args:
        sample: (n, generator) -> (n, means), independent rows.
        wanted: (means,) by the law.
        size: rows of the first stage.
        generator: for the draws.
    """
    worst: list[float] = []
    for factor, bound in STAGES:
        drawn = sample(size * factor, generator)
        error = drawn.std(0) / len(drawn) ** 0.5
        gap = (drawn.mean(0) - wanted).abs()
        exact = gap.isfinite() & (gap <= 1e-12 * (1 + wanted.abs()))
        worst.append(float(torch.where(exact, torch.zeros_like(gap), gap / error).max()))
        if worst[-1] <= bound:
            break
    return tuple(worst)


def refused(worst: tuple[float, ...]) -> bool:
    """Whether `two_stage` found the law broken."""
    return not worst[-1] <= STAGES[len(worst) - 1][1]


def listed(worst: tuple[float, ...]) -> str:
    """The |z| of all stages, as an error quotes them."""
    return ", then ".join(f"{z:.1f}" for z in worst)
