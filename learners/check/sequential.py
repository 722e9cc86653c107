"""A sequential test of sampled means: it goes on until an error that matters is found or excluded.

Chips are sampled, and twice as many at every look. A look refuses where a mean is more than `bound` standard
errors from the law. It accepts where every mean lies within its tolerance by `CLEARANCE` standard errors, so
an error as large as the tolerance is let pass once in 2e4 looks. Only what is refused by `RUNS` such tests in
a row, on fresh samples, is broken. The bound is for `LEVEL` over all means and looks of one run, so the
normal limit is trusted to 5 or 6 standard errors, and a true law is called broken with probability
`LEVEL ** RUNS`.
Wald's sequential test (1945, https://doi.org/10.1214/aoms/1177731118) would sample a third less; this one
asks nothing of the distribution but a central limit.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import torch
from torch import Generator, Tensor

LEVEL = 1e-4  # of a false alarm in one run
RUNS = 3
CLEARANCE = 3.9  # standard errors
POWER = 3.3  # standard errors: what is beyond the bound by as many is found with probability .9995
_MOST_LOOKS = 12

Sample = Callable[[int, Generator], Tensor]  # (n, generator) -> (n, means), independent rows


class Looked(NamedTuple):
    """The outcome of a sequential test, at its last look."""

    kept: bool
    mean: Tensor  # (means,)
    error: Tensor  # (means,), standard errors
    z: float  # the largest distance from the law, in standard errors
    bound: float  # the z that is refused
    wide: bool  # it ended before its tolerance was reached

    def caught(self, tolerance: Tensor, rounding: float) -> Tensor:
        """The smallest error of each mean, (means,), that such a test finds with probability .999.

        Args:
            tolerance: (means,), that of the test.
            rounding: the error that is put down to rounding.
        """
        by_error = (self.bound + POWER) * self.error
        widest = by_error if self.wide else torch.minimum(by_error, tolerance)
        return widest.clamp(min=rounding)


def sequential(
    sample: Sample,
    wanted: Tensor,
    tolerance: Tensor,
    generator: Generator,
    *,
    start: int,
    chunk: int,
    most: int,
    rounding: float,
    pooled: bool = False,
) -> Looked:
    """Test means against a law; what the last run says holds, and the first that keeps it is the last.

    Args:
        sample: (n, generator) -> (n, means), independent rows.
        wanted: (means,), by the law.
        tolerance: (means,), the error that is to be found; infinite where the first look is enough.
        start: rows of the first look.
        chunk: rows that are drawn at once.
        most: rows after which a test ends whatever it knows.
        rounding: the error of a mean that is put down to rounding.
        pooled: standard errors are at least the mean one of all means; for means of rare events.
    """
    bound = NormalDist().inv_cdf(1 - LEVEL / (2 * wanted.numel() * _MOST_LOOKS))
    for _ in range(RUNS):
        looked = _run(sample, wanted, tolerance, generator, bound, (start, chunk, most), rounding, pooled)
        if looked.kept:
            break
    return looked


def _run(
    sample: Sample,
    wanted: Tensor,
    tolerance: Tensor,
    generator: Generator,
    bound: float,
    rows: tuple[int, int, int],
    rounding: float,
    pooled: bool,
) -> Looked:
    start, chunk, most = rows
    count, total, squares = 0, torch.zeros_like(wanted), torch.zeros_like(wanted)
    goal = start
    for _ in range(_MOST_LOOKS):
        while count < goal:
            deviation = sample(min(chunk, goal - count), generator).to(wanted) - wanted
            count, total = count + len(deviation), total + deviation.sum(0)
            squares = squares + deviation.square().sum(0)
        gap = total / count
        variance = (squares / count - gap.square()).clamp(min=0)
        variance = torch.where(variance <= rounding**2, torch.zeros_like(variance), variance)
        if pooled:
            variance = variance.clamp(min=float(variance.mean()))
        error = (variance / count).sqrt()
        real = torch.where(gap.abs() <= rounding, torch.zeros_like(gap), gap.abs())
        z = torch.where(real == 0, torch.zeros_like(gap), real / error)
        refused = bool((z > bound).any()) or bool(torch.isnan(z).any())
        clear = bool((real + CLEARANCE * error <= tolerance).all())
        if refused or clear or goal >= most:
            break
        goal = min(2 * goal, most)
    return Looked(not refused, wanted + gap, error, float(z.max()), bound, not (refused or clear))
