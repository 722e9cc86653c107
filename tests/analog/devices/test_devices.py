"""Each device against its own published or stated law."""

import math

import pytest
import torch

from analog import Chip
from analog import Fabrication
from analog import Ideal
from analog import Mismatched
from analog import Noise
from analog import dense
from analog import stream
from analog import xray
from analog.devices import SoftBoundsRRAM
from analog.devices.pulsed import PulsedCells

LIKE = torch.empty(0, dtype=torch.float64)


def silent_taps(device: object, x: torch.Tensor) -> torch.Tensor:
    layers = (dense(6, 5), dense(5, 3, linear=True))
    return xray.respond(Chip(device, layers, 4, dtype=torch.float64), x).out  # type: ignore[arg-type]


def test_mismatched_tends_to_nominal_cells_as_severity_falls() -> None:
    """Severity 0 leaves weight = tanh(knob); the distance to it is of the order of the severity."""
    x = torch.randn(8, 6, generator=stream(0, "devices"), dtype=torch.float64)
    layers = (dense(6, 5), dense(5, 3, linear=True))
    ideal = Chip(Ideal(), layers, 4, dtype=torch.float64)
    ideal.port().program(tuple(k.tanh() for k in xray.knobs(ideal)))
    nominal = xray.respond(ideal, x).out
    torch.testing.assert_close(silent_taps(Mismatched(severity=0), x), nominal)
    gaps = [float((silent_taps(Mismatched(severity=s), x) - nominal).norm()) for s in (0.02, 0.01)]
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.1)


def test_mismatched_spreads_are_as_stated() -> None:
    """Moments over 40,000 cells; tolerances are five standard errors or more."""
    device = Mismatched()
    cells = device.fabricate(200, 200, Fabrication((1,), (), 0, 1, LIKE))
    assert float(cells.gain.log().std()) == pytest.approx(device.gain_dtod, rel=0.02)
    assert float(cells.offset.std()) == pytest.approx(device.offset_dtod, rel=0.02)
    wide = device.fabricate(40_000, 1, Fabrication((1,), (), 0, 1, LIKE))
    assert float(wide.amplifier_gain.log().std()) == pytest.approx(device.amplifier_gain_dtod, rel=0.02)
    assert float(wide.amplifier_offset.std()) == pytest.approx(device.amplifier_offset_dtod, rel=0.02)
    assert float(wide.curvature.mean()) == pytest.approx(device.mean_curvature, rel=0.03)
    assert float(wide.curvature.min()) >= 0


def test_mismatched_saturates() -> None:
    device = Mismatched(severity=0)
    cells = device.fabricate(3, 3, Fabrication((1,), (), 0, 1, LIKE))
    far = device.perturb(cells, torch.full((1, 3, 3), 50.0, dtype=torch.float64))
    torch.testing.assert_close(far.weights, torch.ones_like(far.weights))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Mismatched(severity=3.1),
        lambda: Mismatched(severity=-0.1),
        lambda: Mismatched(read_noise=-1),
        lambda: SoftBoundsRRAM(step=0.5),
        lambda: SoftBoundsRRAM(w_max=-1),
    ],
)
def test_out_of_range_raises(make: object) -> None:
    with pytest.raises(ValueError, match="severity|noise|step|w_max"):
        make()  # type: ignore[operator]


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


@pytest.mark.parametrize(
    "device", [Mismatched(read_noise=0.3), SoftBoundsRRAM(read_noise=0.3)], ids=lambda d: type(d).__name__
)
def test_reading_noise_is_as_stated(device: Mismatched) -> None:
    chip = Chip(device, (dense(6, 3, linear=True),))
    x = torch.ones(20_000, 6)
    gap = chip.port().measure(x).out - xray.respond(chip, x[:1]).out
    assert float(gap.std()) == pytest.approx(0.3, rel=0.02)
