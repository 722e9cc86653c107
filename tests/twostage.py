"""The two-stage rule with seeds from names.

Every use says how many means it tests; all together stay below 20,000 at 1e-9 each, so a true suite
fails less than once in 5e4 runs. `python -m tests.nulls` shows that the rule alarms as seldom as it says.
"""

import os
from collections.abc import Callable

from torch import Generator, Tensor

from analog import stream
from learners.check.two_stage import refused, two_stage


def kept(sample: Callable[[int, Generator], Tensor], wanted: Tensor, size: int, *name: str | int) -> bool:
    """Whether sampled means agree with the law; `name` seeds the draw, MORTAL_SEED varies it."""
    seed = int(os.environ.get("MORTAL_SEED", "0"))
    return not refused(two_stage(sample, wanted, size, stream(seed, "two stage", *name)))
