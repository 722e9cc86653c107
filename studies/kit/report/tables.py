"""Numbers as the closing tables of studies show them; a cell is empty where there is nothing to show."""

from collections.abc import Mapping, Sequence
from math import inf, isinf
from statistics import fmean, stdev
from typing import Any, Final

from ..metrics.mean_interval import MeanInterval, mean_interval
from .cells import ALL_EQUAL

_ROUNDING: Final = 1e-9  # of a number or, where it is small, of 1: by so little do floats differ that are one


def percent(share: float | None, digits: int = 2) -> str:
    """A share, 0..1, in percent."""
    return "" if share is None else f"{100 * share:.{digits}f}"


def fixed(value: float | None, digits: int = 2) -> str:
    """A number with so many digits behind the point."""
    return "" if value is None else f"{value:.{digits}f}"


def short_number(value: float | None, digits: int = 2) -> str:
    """A number of so many significant digits, in powers of ten where it is large: 1.2e+06."""
    return "" if value is None else f"{value:.{digits}g}"


def round_count(count: float | None) -> str:
    """A count rounded to two significant digits and written out: 1,200,000."""
    return "" if count is None else f"{float(f'{count:.2g}'):,.0f}"


def plus_minus(value: float, uncertainty: float, digits: int = 2) -> str:
    """A number beside its spread, or half the width of its interval."""
    return f"{fixed(value, digits)} +- {fixed(uncertainty, digits)}"


def interval_text(found: MeanInterval, digits: int = 2) -> str:
    """Half the width of the interval of a mean, where there is one to estimate.

    Args:
        found: of the values of several chips, or of one.
        digits: behind the point.

    Returns:
        "+- 0.30"; nothing of a single value; of values that are all equal, and tell nothing of how far others
        would lie apart, that they are.
    """
    if isinf(found.half_width):
        return ""
    if found.half_width <= _ROUNDING * max(1.0, abs(found.mean)):
        return ALL_EQUAL
    smallest = 10.0**-digits
    is_small = found.half_width < smallest / 2
    return f"+- <{fixed(smallest, digits)}" if is_small else f"+- {fixed(found.half_width, digits)}"


def mean_with_interval(values: Sequence[float], digits: int = 2, quantile: float | None = None) -> str:
    """The mean over chips, beside half the width of its 95 % interval where there is one to estimate.

    Args:
        values: one of each chip.
        digits: behind the point.
        quantile: as `mean_interval` takes it.
    """
    if not values:
        return ""
    found = mean_interval(values, quantile)
    return f"{fixed(found.mean, digits)} {interval_text(found, digits)}".rstrip()


def percent_with_interval(shares: Sequence[float], digits: int = 2) -> str:
    """The mean of shares, 0..1, one of each chip, in percent and with its 95 % interval."""
    return mean_with_interval([100 * share for share in shares], digits)


def points_between(shares: Sequence[float], others: Sequence[float], digits: int = 2) -> str:
    """The mean of paired differences of shares, in points and with its 95 % interval.

    Args:
        shares: 0..1, one of each chip.
        others: those that the same chips have by what stands beside it.
        digits: behind the point.

    Raises:
        ValueError: they are not of as many chips.
    """
    pairs = zip(shares, others, strict=True)
    return mean_with_interval([100 * (share - other) for share, other in pairs], digits)


def mean_sd(values: Sequence[float], digits: int = 2) -> str:
    """Mean and standard deviation; of a single value the mean alone, and of equal ones that they are."""
    found = MeanInterval(fmean(values), stdev(values) if len(values) > 1 else inf)
    return f"{fixed(found.mean, digits)} {interval_text(found, digits)}".rstrip()


def low_high(values: Sequence[float], digits: int = 2) -> str:
    """The lowest and the highest of some values; nothing of none."""
    return f"{fixed(min(values), digits)} {fixed(max(values), digits)}" if values else ""


def mean_of(rows: Sequence[Mapping[str, Any]], key: str) -> float | None:
    """The mean of a field over those rows that have it; None where none has."""
    values = [row[key] for row in rows if row.get(key) is not None]
    return fmean(values) if values else None
