"""Whether values are uniform between 0 and 1, by simultaneous bands around their empirical distribution.

Säilynoja, Bürkner and Vehtari, "Graphical test for discrete uniformity and its applications in goodness of
fit evaluation and multiple sample comparison", 2022, https://arxiv.org/abs/2103.10522: at each of n points
the count of smaller values is binomial, and bands are as many of its tails everywhere that all counts lie
within them together with the stated probability. Where we differ: that probability is exact, by recursion
over the counts, whatever the tail, so that p-values are exact as well.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, gammaln

HALVINGS = 30  # of the tail that belongs to a level


def uniformity_p(values: NDArray[np.float64]) -> float:
    """The probability that uniform values lie somewhere as far in a binomial's tail as these do.

    Args:
        values: independent, from 0 to 1, (values,).

    Raises:
        ValueError: there is none, or one is not from 0 to 1.
    """
    if not len(values) or not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError(f"values are {values}; wanted one or more from 0 to 1")
    n = len(values)
    counts = (values[None, :] <= _points(n)[:, None]).sum(1)
    tails = _tails(n)[np.arange(len(counts)), counts]
    return 1 - _inside(n, float(tails.min()))


@lru_cache(256)
def uniformity_band(n: int, level: float = 0.95) -> tuple[NDArray[np.float64], ...]:
    """The band in which the empirical distribution of n uniform values lies with a probability.

    Returns:
        Points between 0 and 1, the lowest and the highest share of smaller values there, (n - 1,) each.

    Raises:
        ValueError: fewer than two values have no band.
    """
    if n < 2:
        raise ValueError(f"n is {n}; wanted at least 2 values")
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _inside(n, middle) >= level else (low, middle)
    allowed = _allowed(n, low)
    lowest, highest = allowed.argmax(1), n - allowed[:, ::-1].argmax(1)
    return _points(n), lowest / n, highest / n


def _points(n: int) -> NDArray[np.float64]:
    return np.arange(1, max(n, 2)) / max(n, 2)


@lru_cache(256)
def _tails(n: int) -> NDArray[np.float64]:  # (points, counts)
    """The two-sided tail of each count at each point."""
    counts, points = np.arange(n + 1), _points(n)[:, None]
    below = bdtr(counts, n, points)
    above = np.where(counts > 0, bdtrc(np.maximum(counts - 1, 0), n, points), 1.0)
    return np.minimum(1.0, 2 * np.minimum(below, above))


def _allowed(n: int, tail: float) -> NDArray[np.bool_]:  # (points, counts)
    """Where a count's tail is larger than this; those that only rounding tells apart are not."""
    return _tails(n) > tail * (1 + 1e-9)


def _inside(n: int, tail: float) -> float:
    """The probability that all counts of uniform values have larger tails than this."""
    points, allowed, ways = _points(n), _allowed(n, tail), _log_ways(n)
    counts = np.arange(n + 1)
    left, more = n - counts[:, None], counts[None, :] - counts[:, None]  # from row to column
    probability, before = np.eye(1, n + 1)[0], 0.0
    for k, point in enumerate(points):
        share = (point - before) / (1 - before)
        step = np.exp(ways + more * np.log(share) + (left - more) * np.log1p(-share))  # binomial
        probability = np.where(allowed[k], probability @ step, 0.0)
        before = point
    return float(probability.sum())


@lru_cache(256)
def _log_ways(n: int) -> NDArray[np.float64]:  # (counts, counts)
    """The log of the number of ways from one count of smaller values to another; -inf: none."""
    counts = np.arange(n + 1)
    left, more = n - counts[:, None], counts[None, :] - counts[:, None]
    ways = gammaln(left + 1) - gammaln(abs(more) + 1) - gammaln(abs(left - more) + 1)
    return np.where((more >= 0) & (more <= left), ways, -np.inf)
