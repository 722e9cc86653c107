"""The two-stage rule for sampled laws.

Stage 1 tests at 1e-3 (|z| > 3.29); only on failure stage 2 draws an independent ten-fold sample and
tests at 1e-6 (|z| > 4.89). A true law fails both with probability about 1e-9 for each direction tested,
while the normal limit is trusted only to moderate z. Budget of the suite: every use states how many
directions it tests; all together stay below 5,000, so a true suite fails less than once in 1e5 runs.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from analog import stream

STAGES = ((1, 3.2905), (10, 4.8916))


def alarms(
    sample: Callable[[int, Generator], Tensor], wanted: Tensor, size: int, *name: str | int
) -> tuple[float, ...]:
    """Worst |z| of each stage that was needed; the law is refused if both exceed their bounds.

    Args:
        sample: (n, rng) -> (n, directions), independent rows.
        wanted: (directions,), their means by the law.
        name: seeds the draw, together with the stage.
    """
    worst = []
    for stage, (factor, bound) in enumerate(STAGES):
        drawn = sample(size * factor, stream(stage, "two stage", *name))
        error = drawn.std(0) / len(drawn) ** 0.5
        gap = (drawn.mean(0) - wanted).abs()
        z = torch.where(gap <= 1e-12 * (1 + wanted.abs()), torch.zeros_like(gap), gap / error)
        worst.append(float(z.max()))
        if worst[-1] <= bound:
            break
    return tuple(worst)


def kept(sample: Callable[[int, Generator], Tensor], wanted: Tensor, size: int, *name: str | int) -> bool:
    """Whether the means agree with the law by the two-stage rule."""
    worst = alarms(sample, wanted, size, *name)
    return worst[-1] <= STAGES[len(worst) - 1][1]
