"""Scales of the search are asked of the device."""

import pytest

from analog.calibrate.scales import search_scale
from analog.devices import SoftBoundsRRAM


def test_scales_are_asked_of_the_device() -> None:
    device = SoftBoundsRRAM()
    signs = {n: search_scale(device, n).sign for n in ("step", "w_min", "up_down")}
    assert signs == {"step": 1, "w_min": -1, "up_down": 0}
    for n in signs:
        s = search_scale(device, n)
        assert s.value(s.coordinate(getattr(device, n))) == pytest.approx(getattr(device, n))
