"""Strategies give what they promise: devices within their ranges, and histories any chip can live."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from analog import Chip, Ideal, Mismatched
from analog.devices import ZOO, ConstantStep, ExponentialRRAM
from analog.effects import Endurance
from analog.settings import settings
from analog.testing import Event, chips, devices, histories, live, probes, wirings
from analog.testing.strategies import FACTOR

FEW = hypothesis_settings(max_examples=6)


@given(st.data())
@pytest.mark.parametrize("kind", [type(ZOO[at]) for at in (0, 8, 10, 15, 17)])
@FEW
def test_devices_go_over_the_ranges_of_their_settings(kind: Any, data: Any) -> None:
    device = data.draw(devices(kind))
    for name, known in settings(kind).items():
        value, default = getattr(device, name), getattr(kind(), name)
        assert known.allows(value)
        if known.range and not known.choices and isinstance(default, float):
            assert any(torch.isfinite(torch.tensor(known.range))) or abs(value) <= max(
                1, FACTOR * abs(default)
            )


def test_every_setting_moves() -> None:
    """Of thirty draws each setting takes many values, on both sides of its default where it may."""
    seen: dict[str, set[float]] = {name: set() for name in settings(ConstantStep)}

    @given(devices(ConstantStep))
    @hypothesis_settings(max_examples=30)
    def look(device: ConstantStep) -> None:
        for name, values in seen.items():
            values.add(getattr(device, name))

    look()
    assert min(map(len, seen.values())) > 5
    assert min(seen["up_down"]) < 0 < max(seen["up_down"])


@given(devices(Endurance, device=devices(Mismatched, read_noise=0.0), pulses=st.integers(2, 5)))
@FEW
def test_parts_may_be_fixed_or_have_strategies_of_their_own(device: Any) -> None:
    assert device.device.read_noise == 0.0 and device.pulses in (2, 3, 4, 5)


@given(devices(ExponentialRRAM))
@FEW
def test_settings_that_do_not_go_together_are_drawn_again(device: ExponentialRRAM) -> None:
    assert device.step <= 0.01 * (device.w_max - device.w_min)


@given(st.data(), wirings())
@FEW
def test_a_probe_fits_its_chip(data: Any, layers: Any) -> None:
    chip = data.draw(chips(Ideal(), st.just(layers)))
    probe = data.draw(probes(chip.spec, 3))
    x = torch.zeros(3, layers[0].features_in, dtype=chip.spec.dtype)
    assert chip.port().measure(x, probe).out.shape[-2:] == (3, layers[-1].features)


@given(st.data(), histories())
@hypothesis_settings(max_examples=15)
def test_any_chip_lives_any_history_and_its_twin_alike(data: Any, history: list[Event]) -> None:
    chip = data.draw(chips(Endurance(Mismatched(), pulses=4)))
    twin = Chip(chip.device, chip.spec.layers, chip.identity, noise_seed=0, dtype=chip.spec.dtype)
    again = Chip(chip.device, chip.spec.layers, chip.identity, noise_seed=0, dtype=chip.spec.dtype)
    taps, others = live(twin, history), live(again, history)
    assert len(taps) == len(others) and all(map(torch.equal, taps, others))
    assert twin.alive == again.alive and twin.clock == again.clock
    if twin.alive:
        readings = sum(event.what == "measure" for event in history)
        assert len(taps) == readings * len(chip.spec.layers)
