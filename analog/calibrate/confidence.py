"""What an estimate says of its parameter, as a distribution: every interval of it, not only the one of 95 %.

The studentized estimate t = (estimate - truth) / standard error is skewed where few cells of a long tail
decide. With skewness s of the estimate, t + b t^2 / 3 + b^2 t^3 / 27 + s / 6 is free of it and grows with t
everywhere, where b = s when the standard error is the table's own, since an estimate that missing cells would
raise is low and so is its standard error (Hall's monotone cubic, J. R. Stat. Soc. B 54 (1992) 221).
When only a share w of it is, the same expansion gives b = s (3 w - 1) / 2. What a truth t away would change,
t - q t^2 in place of t (`analog.calibrate.curvature`), adds -3 q to b. The chance of the standard error is
Student's. What lies beyond the device's range is cut off.
"""

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from .scales import SearchScale

STEEPEST = 1.0  # skewness of an estimate beyond which the expansion does not hold
_LEAST = 1e-12  # of the probability within the range


@dataclass(frozen=True)
class ConfidenceDistribution:
    """The distribution of a parameter given a table: with what probability it lies below a value."""

    scale: SearchScale
    estimate: float  # search coordinate, as the rest
    error: float
    skewness: float = 0.0
    freedom: float = math.inf  # degrees of freedom of the standard error
    share: float = 1.0  # of the table's own cells in the standard error
    low: float = -math.inf  # end of the device's range
    high: float = math.inf
    bend: float = 0.0  # q of the studentized distance s + q s^2 to a truth s standard errors above

    def cdf(self, value: float) -> float:
        """The probability that the parameter is at most `value`."""
        rising = self._below(self._coordinate(value))
        return rising if self.scale.sign >= 0 else 1 - rising

    def quantile(self, probability: float) -> float:
        """The value that the parameter is at most, with a probability."""
        share = probability if self.scale.sign >= 0 else 1 - probability
        below, within = self._cut()
        t = self._skewed(-float(stdtrit(self.freedom, below + share * within)))
        return self.scale.value(min(max(self.estimate - self.error * t, self.low), self.high))

    def _coordinate(self, value: float) -> float:
        if self.scale.sign and value * self.scale.sign <= 0:
            return -math.inf
        return self.scale.coordinate(value)

    def _below(self, coordinate: float) -> float:
        below, within = self._cut()
        return min(max((self._uncut(coordinate) - below) / within, 0.0), 1.0)

    def _cut(self) -> tuple[float, float]:
        """The probability below the range, were it not cut off, and within it."""
        below = self._uncut(self.low)
        return below, max(self._uncut(self.high) - below, _LEAST)

    def _uncut(self, coordinate: float) -> float:
        if math.isinf(coordinate):
            return float(coordinate > 0)
        t = (self.estimate - coordinate) / self.error
        return float(stdtr(self.freedom, -self._straight(t)))

    def _straight(self, t: float) -> float:
        s, b = self._bends
        return t + b * t**2 / 3 + b**2 * t**3 / 27 + s / 6

    def _skewed(self, straight: float) -> float:
        """The inverse of `_straight`."""
        s, b = self._bends
        if abs(b) < 1e-6:
            return straight - s / 6
        return 3 / b * (math.cbrt(1 + b * (straight - s / 6)) - 1)

    @property
    def _bends(self) -> tuple[float, float]:
        s = min(max(self.skewness, -STEEPEST), STEEPEST)
        b = s * (3 * self.share - 1) / 2 - 3 * self.bend
        return s, min(max(b, -STEEPEST), STEEPEST)
