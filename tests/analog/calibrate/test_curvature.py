"""A truth is asked about with what the device would show there, not with what it shows at the estimate."""

from dataclasses import dataclass

import pytest
import torch

from analog import MeasurementPlan, MeasurementTable, stream
from analog.calibrate import Moments, calibrate
from analog.calibrate.confidence import ConfidenceDistribution
from analog.calibrate.identifiability import doubts
from analog.calibrate.scales import SearchScale

CELLS = 400


@dataclass(frozen=True)
class HiddenSpread:
    """A spread beneath noise that is known."""

    spread: float = 0.5
    noise: float = 1.0

    def __post_init__(self) -> None:
        if self.spread < 0:
            raise ValueError("a spread is at least 0")


def hidden_spread(device: HiddenSpread, plan: MeasurementPlan) -> Moments:
    variance = torch.full((1, 1, 1), device.spread**2 + device.noise**2, dtype=torch.float64)
    return Moments(torch.zeros(1, 1).double(), variance)


def table(variance: float) -> MeasurementTable:
    """Readings of exactly this variance about 0."""
    readings = torch.randn(CELLS, 1, generator=stream(0, "hidden spread"), dtype=torch.float64)
    readings = readings - readings.mean()
    readings = readings * (variance / readings.square().mean()) ** 0.5
    plan = MeasurementPlan("target", torch.zeros(CELLS, 1).double(), (0.0,), (1.0,))
    return MeasurementTable(plan, readings)


@pytest.mark.parametrize(("noise", "spread"), [(1.0, 0.8), (1.0, 0.6), (0.01, 0.6)])
def test_one_variance_in_its_own_units(noise: float, spread: float) -> None:
    """Moving and scatter of s^2 = spread^2 + noise^2, expanded in the spread's logarithm.

    With f = spread^2 / s^2 and standard error e, a truth d above has s^2 (1 + f (e^2d - 1)), and the scatter
    of the sample's variance grows in proportion to that: the studentized distance is d / e (1 + (1 - 2 f) d).
    """
    plain = HiddenSpread(spread, noise)
    found = calibrate(plain, table(spread**2 + noise**2), model=hidden_spread, free=("spread",))
    law = found["spread"].distribution
    share = spread**2 / (spread**2 + noise**2)
    assert law.error == pytest.approx((2 / CELLS) ** 0.5 / (2 * share), rel=0.15)
    assert law.bend == pytest.approx(law.error * (1 - 2 * share), abs=0.1 * law.error + 0.02)


def test_half_a_hidden_spread_is_less_absurd_than_its_logarithm_says() -> None:
    plain, up = ConfidenceDistribution(SearchScale("x", 1, 0.1), 0.0, 0.25), SearchScale("x", 1, 0.1)
    bent = ConfidenceDistribution(up, 0.0, 0.25, bend=0.25)
    assert bent.cdf(0.5) > 4 * plain.cdf(0.5) and 1 - bent.cdf(1.5) < 1 - plain.cdf(1.5)
    assert bent.cdf(bent.quantile(0.025)) == pytest.approx(0.025, abs=1e-9)


def test_what_bends_more_than_the_expansion_follows_is_doubted() -> None:
    laws = [ConfidenceDistribution(SearchScale("x", 1, 0.1), 0.0, 0.1, bend=q) for q in (0.3, 0.4, -0.4)]
    few, much, back = (" ".join(doubts(law, 0.2, 0.8)) for law in laws)
    assert "curved" not in few and "curved" in much and "curved" in back
