"""The interval in which a mean over chips lies."""

from collections.abc import Hashable, Sequence
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


def cluster_means(values: Sequence[float], clusters: Sequence[Hashable]) -> list[float]:
    """Means of the values of each cluster, such as the heirs of one teacher, for intervals over clusters.

    What comes of one teacher has its luck in common: an interval over its heirs would be too narrow for
    heirs of others.

    Args:
        values: one of each chip.
        clusters: which each belongs to.

    Returns:
        A mean of each, in the order in which they first come; of a single cluster the values themselves.

    Raises:
        ValueError: values and clusters are not as many.
    """
    members: dict[Hashable, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        members.setdefault(cluster, []).append(value)
    return [fmean(each) for each in members.values()] if len(members) > 1 else [*values]
