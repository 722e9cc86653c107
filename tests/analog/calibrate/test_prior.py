"""Priors: the range that stands beside a parameter, or a factor around the device's own value."""

import math
from dataclasses import dataclass

import pytest
import torch

from analog import Mismatched, setting, stream
from analog.calibrate import draw_device, prior
from analog.calibrate.prior import gaussian_prior
from analog.calibrate.scales import estimated_by_default, search_scale
from analog.devices import ZOO
from analog.settings import settings
from tests.zoo import name


@dataclass(frozen=True)
class Stubborn:
    """Accepts what it is made with and nothing else."""

    size: float = setting(0.5, range=(0, 1))

    def __post_init__(self) -> None:
        if self.size != 0.5:
            raise ValueError("size is 0.5 and nothing else")


@pytest.mark.parametrize("device", [Mismatched(), *ZOO], ids=name)
def test_draws_reach_all_of_the_range_and_nothing_beyond(device: object) -> None:
    """100 draws: within the range; both its outer thirds are met (chance of none below 1e-17 each)."""
    known, generator = settings(type(device)), stream(0, "prior", name(device))
    drawn = [draw_device(device, generator) for _ in range(100)]
    for one in estimated_by_default(device):
        values = torch.tensor([getattr(d, one) for d in drawn], dtype=torch.float64)
        law = prior(device, one)
        assert all(known[one].allows(v) for v in values.tolist())
        assert law.low <= float(values.min()) and float(values.max()) <= law.high
        if one not in ("step", "w_max", "w_min"):  # of which the device refuses pairs
            assert float(values.min()) < law.quantile(1 / 3) and float(values.max()) > law.quantile(2 / 3)


def test_a_range_with_two_ends_is_taken_whole_and_an_open_one_by_a_factor() -> None:
    device = Mismatched()
    assert prior(device, "read_noise").low == pytest.approx(device.read_noise / 4)
    assert prior(device, "read_noise", 2.0).high == pytest.approx(device.read_noise * 2)
    scale = search_scale(device, "read_noise")
    mean, sd, low, high = gaussian_prior(device, (scale,))
    assert float(mean[0]) == pytest.approx(math.log(device.read_noise), abs=1e-6)
    assert float(sd[0]) == pytest.approx(math.log(4) / 3**0.5, rel=0.01)
    assert (float(low[0]), float(high[0])) == (-math.inf, math.inf)
    one = prior(Stubborn(), "size")
    assert (one.low, one.high, one.quantile(0.25)) == (0, 1, 0.25)


def test_a_device_that_accepts_no_draw_says_so() -> None:
    with pytest.raises(ValueError, match="refused 1000 draws .* nothing else"):
        draw_device(Stubborn(), stream(0, "stubborn"))
