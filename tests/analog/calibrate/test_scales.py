"""Scales of the search are asked of the device."""

from dataclasses import dataclass

import pytest
import torch

from analog import setting
from analog.calibrate.estimate import _candidates
from analog.calibrate.scales import search_scale, whole_parameters
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


def test_whole_numbers_are_told_apart_from_what_users_choose() -> None:
    """A search moves none of them; calibration says which it held."""

    @dataclass(frozen=True)
    class Levels:
        levels: int = setting(32, "states of a cell", range=(2, 1000))
        bits: int = setting(8, "of the converter", range=(1, 16), fitted=False)
        dead: bool = setting(False, "whether it works")
        gain: float = setting(1.0, "of a cell", range=(0, 2))

    assert whole_parameters(Levels()) == {"levels": 32}
    notes: list[str] = []
    assert _candidates(Levels(), None, notes) == ("gain",)
    assert notes == ["levels is a whole number, and was held at 32"]
