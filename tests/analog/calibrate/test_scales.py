"""Scales of the search are asked of the device."""

import pytest
import torch

from analog.calibrate.scales import search_scale
from analog.devices import SoftBoundsRRAM


def test_scales_are_asked_of_the_device() -> None:
    device = SoftBoundsRRAM()
    signs = {n: search_scale(device, n).sign for n in ("step", "w_min", "up_down")}
    assert signs == {"step": 1, "w_min": -1, "up_down": 0}
    for n in signs:
        s = search_scale(device, n)
        assert s.value(s.coordinate(getattr(device, n))) == pytest.approx(getattr(device, n))


@pytest.mark.parametrize("coordinate", [-1e300, -800.0, 88.8, 300.0, 1e300])
def test_a_search_that_runs_away_tries_nothing_that_overflows(coordinate: float) -> None:
    device = SoftBoundsRRAM()
    for name in ("step", "w_min", "up_down"):
        value = search_scale(device, name).value(coordinate)
        assert bool(torch.tensor(value, dtype=torch.float32).isfinite())
        torch.ones(1).mul_(value)  # torch refuses a scalar that overflows
