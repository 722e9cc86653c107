"""Cells that only reset: what pulses take off, that nothing comes back, and what programming fills."""

import dataclasses

import pytest
import torch
from torch import Generator, Tensor

from analog import Noise, stream
from analog.devices import ResetOnlyRRAM
from analog.devices.reset_only_rram import ResetOnlyCells
from tests.twostage import kept
from tests.zoo import many

STILL = ResetOnlyRRAM(step_dtod=0.0, w_max_dtod=0.0, cycle_to_cycle_std=0.0)


def holding(device: ResetOnlyRRAM, plus: float, minus: float, count: int = 1) -> ResetOnlyCells:
    cells = many(device, count)
    one = torch.ones_like(cells.knobs)
    return cells._replace(knobs=plus * one - minus * one, plus=plus * one, minus=minus * one)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("pulses", [1, 5, 40])
def test_only_one_cell_falls_by_a_share_a_pulse(sign: int, pulses: int) -> None:
    cells = holding(STILL, 0.6, 0.6)
    drive = torch.full_like(cells.knobs, sign * pulses * STILL.expected_step)
    after = STILL.pulse(cells, drive, Noise.none())
    fallen, other = (after.minus, after.plus) if sign > 0 else (after.plus, after.minus)
    assert float(other) == 0.6
    assert float(fallen) == pytest.approx(0.6 * (1 - STILL.step) ** pulses, rel=1e-9)
    assert float(after.knobs) == float(after.plus - after.minus)


def test_a_train_has_the_mean_and_the_variance_of_its_pulses_one_by_one() -> None:
    device = dataclasses.replace(STILL, cycle_to_cycle_std=0.25)

    def sample(count: int, generator: Generator) -> Tensor:
        noise = Noise(generator)
        drive = torch.full_like(many(device, count).knobs, -10 * device.expected_step * (1 + 1e-9))
        train = device.pulse(holding(device, 0.9, 0.1, count), drive, noise).plus.flatten()
        one_by_one = holding(device, 0.9, 0.1, count)
        for _ in range(10):
            one_by_one = device.pulse(one_by_one, drive / 10, noise)
        single = one_by_one.plus.flatten()
        return torch.stack((train - single, train.square() - single.square()), -1)

    assert kept(sample, torch.zeros(2, dtype=torch.float64), 4000, "reset", "moments")


def test_what_is_taken_off_never_comes_back() -> None:
    """Whatever is sent, both conductances of every pair only fall, and a worn pair has little left to do."""
    device, noise = ResetOnlyRRAM(), Noise(stream(0, "fall"))
    cells = many(device, 300)
    first = cells
    for turn in range(60):
        drive = 0.2 * noise.normal(cells.knobs)
        after = device.pulse(cells, drive, noise)
        assert bool((after.plus <= cells.plus).all()) and bool((after.minus <= cells.minus).all()), turn
        cells = after
    assert float((cells.plus + cells.minus).mean()) < 0.2 * float((first.plus + first.minus).mean())


def test_fresh_and_programmed_pairs_hold_as_much_as_they_can() -> None:
    device, noise = ResetOnlyRRAM(), Noise(stream(1, "full"))
    fresh = many(device, 200)
    worn = fresh
    for _ in range(20):
        worn = device.pulse(worn, 0.2 * noise.normal(worn.knobs), noise)
    blank = device.pulse(device.perturb(worn, -worn.knobs), torch.full_like(worn.knobs, 1e-9), Noise.none())
    for cells in (fresh, blank):
        room = torch.minimum(cells.w_max_plus - cells.plus, cells.w_max_minus - cells.minus)
        assert float(room.abs().max()) < 1e-6
    assert float(blank.knobs.abs().max()) < 1e-6
