"""The interval in which a mean over chips lies."""

from collections.abc import Sequence
from math import inf
from statistics import fmean, stdev
from typing import NamedTuple

from scipy.special import stdtrit  # scipy.stats takes a second to import

NORMAL_QUANTILE = 1.96  # of large samples


class MeanInterval(NamedTuple):
    """A mean, and half the width of its 95 % interval."""

    mean: float
    half_width: float


def mean_interval(values: Sequence[float], quantile: float | None = None) -> MeanInterval:
    """The mean of values, one of each chip, and its 95 % interval; of a single value that is infinite.

    Args:
        values: independent, of about normal distribution.
        quantile: half the width in units of the standard error; None: Student's, for so many values.

    Raises:
        StatisticsError: there is no value.
    """
    count = len(values)
    if count == 1:
        return MeanInterval(values[0], inf)
    mean = fmean(values)
    scale = float(stdtrit(count - 1, 0.975)) if quantile is None else quantile
    return MeanInterval(mean, scale * stdev(values) / count**0.5)
