"""The two-stage rule with seeds from names.

Every use says how many means it tests; all together stay below 10,000 at 1e-9 each, so a true suite
fails less than once in 1e5 runs.
"""

from collections.abc import Callable

from torch import Generator, Tensor

from analog import stream
from learners.check import refused, two_stage


def kept(sample: Callable[[int, Generator], Tensor], wanted: Tensor, size: int, *name: str | int) -> bool:
    """Whether sampled means agree with the law; `name` seeds the draw."""
    return not refused(two_stage(sample, wanted, size, stream(0, "two stage", *name)))
