"""Mismatched: spreads, limits and reading noise are as stated."""

import pytest
import torch

from analog import Chip, Fabrication, Ideal, Mismatched, dense, stream, xray
from analog.devices import SoftBoundsRRAM

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


@pytest.mark.parametrize(
    "device", [Mismatched(read_noise=0.3), SoftBoundsRRAM(read_noise=0.3)], ids=lambda d: type(d).__name__
)
def test_reading_noise_is_as_stated(device: Mismatched) -> None:
    chip = Chip(device, (dense(6, 3, linear=True),))
    x = torch.ones(20_000, 6)
    gap = chip.port().measure(x).out - xray.respond(chip, x[:1]).out
    assert float(gap.std()) == pytest.approx(0.3, rel=0.02)
