"""Directions that a distribution of probes draws, flat."""

import torch
from torch import Generator, Tensor

from analog import Spec, dense
from learners.estimators import ProbeDistribution

SPEC = Spec((dense(2, 2),), dtype=torch.float64)


def directions(
    distribution: ProbeDistribution, count: int, size: int, n: int, generator: Generator
) -> Tensor:  # (count, n, size)
    """Draw for `n` independent steps; the coordinates lie in two bodies where there are enough."""
    bodies = [(size - 2,), (2,)] if size > 2 else [(size,)]
    return torch.cat(distribution.draw(count, (n,), bodies, SPEC, generator), -1)
