"""SoftBoundsRRAM: trains of pulses, bounds of each cell, and noise of cycles and writes."""

import math

import pytest
import torch

from analog import Fabrication, Noise, stream
from analog.devices import SoftBoundsRRAM
from analog.devices.pulsed import PulsedCells

LIKE = torch.empty(0, dtype=torch.float64)


def quiet_rram(**changes: float) -> SoftBoundsRRAM:
    alike = {"step_dtod": 0.0, "up_down_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0}
    return SoftBoundsRRAM(**{**alike, "cycle_to_cycle_std": 0.0, "write_noise": 0.0, **changes})


def blank(device: SoftBoundsRRAM, count: int) -> PulsedCells:
    cells = device.fabricate(count, 1, Fabrication((1,), (), 0, 1, LIKE))
    return cells._replace(knobs=torch.zeros_like(cells.knobs))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_train_of_pulses_is_its_pulses_one_by_one(sign: float) -> None:
    """Soft bounds: w moves by step * (1 - w / bound); the train's closed form equals the recursion."""
    device = quiet_rram()
    bound = device.w_max if sign > 0 else device.w_min
    w = 0.0
    for _ in range(200):
        w += sign * device.step * (1 - w / bound)
    cells = blank(device, 1)
    drive = torch.full_like(cells.knobs, sign * 200 * device.step)
    assert float(device.pulse(cells, drive, Noise.none()).knobs) == pytest.approx(w, rel=1e-9)
    each = torch.full_like(cells.knobs, sign * device.step)
    for _ in range(200):
        cells = device.pulse(cells, each, Noise.none())
    assert float(cells.knobs) == pytest.approx(w, rel=1e-9)


def test_steps_shrink_to_nothing_at_the_bound() -> None:
    device = quiet_rram()
    cells = device.pulse(blank(device, 1), torch.full((1, 1, 1), 1e3, dtype=torch.float64), Noise.none())
    assert float(cells.knobs) == pytest.approx(device.w_max)
    again = device.pulse(cells, torch.full((1, 1, 1), 0.1, dtype=torch.float64), Noise.none())
    assert float(again.knobs) == pytest.approx(device.w_max)


def test_cells_stay_within_their_own_bounds() -> None:
    device, noise = SoftBoundsRRAM(), Noise(stream(0, "bounds"))
    cells = device.fabricate(50, 50, Fabrication((1,), (), 0, 1, LIKE))
    for k in range(20):
        cells = device.pulse(cells, torch.full_like(cells.knobs, 0.5 * (-1) ** k), noise)
        assert bool((cells.knobs <= cells.w_max).all()) and bool((cells.knobs >= cells.w_min).all())


def test_a_fraction_of_a_pulse_is_sent_by_chance() -> None:
    """A drive of 0.3 steps moves 30 % of 40,000 cells by one step; z below 6, alarm 2e-9."""
    device = quiet_rram()
    cells = blank(device, 40_000)
    after = device.pulse(cells, torch.full_like(cells.knobs, 0.3 * device.step), Noise(stream(0, "chance")))
    moved = after.knobs / device.step
    assert torch.equal(moved.round(decimals=9).unique(), torch.tensor([0.0, 1.0], dtype=torch.float64))
    z = (float((moved > 0.5).double().mean()) - 0.3) / math.sqrt(0.3 * 0.7 / 40_000)
    assert abs(z) < 6


def test_cycle_and_write_noise_are_as_stated() -> None:
    """One pulse from zero on 40,000 cells: sd of step and of what is shown, within 3 % (8 sigma)."""
    device = quiet_rram(cycle_to_cycle_std=3.75, write_noise=56.0)
    cells = blank(device, 40_000)
    after = device.pulse(cells, torch.full_like(cells.knobs, device.step), Noise(stream(0, "cycle")))
    assert float(after.knobs.std() / device.step) == pytest.approx(3.75, rel=0.03)
    assert float((after.weights - after.knobs).std() / device.step) == pytest.approx(56.0, rel=0.03)
    assert float(after.knobs.mean() / device.step) == pytest.approx(1.0, abs=6 * 3.75 / 200)
