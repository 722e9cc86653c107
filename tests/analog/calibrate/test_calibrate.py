"""Calibration: moments are the law's, intervals hold the truth, and what cannot be told is named."""

import math
from dataclasses import dataclass
from dataclasses import replace
from functools import lru_cache
from typing import Any
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from analog import CapacitorCell
from analog import Device
from analog import Fabrication
from analog import LinearECRAM
from analog import Mismatched
from analog import ModulatorBank
from analog import Noise
from analog import SoftBoundsRRAM
from analog import UnknownNeurons
from analog import WanRRAM
from analog import stream
from analog.calibrate import Moments
from analog.calibrate import Plan
from analog.calibrate import Table
from analog.calibrate import fit
from analog.calibrate import measured
from analog.calibrate import settings
from analog.calibrate import simulated
from analog.calibrate import suggested
from analog.calibrate.estimate import _ends
from analog.calibrate.scales import numbers
from analog.calibrate.scales import scale
from analog.calibrate.scales import stated
from analog.chip import Chip
from analog.devices import ZOO
from analog.devices.pulsed import Pulsed
from analog.layers.crossbar import dense
from tests.zoo import name


@dataclass(frozen=True)
class Line:
    """A user's own: not a device, only parameters and the mean and variance of what they lead to."""

    slope: float = 1.0  # full scale per input
    offset: float = 0.0  # full scale
    spread: float = 0.3  # sd of slopes between cells
    read_noise: float = 0.1  # V rms

    def __post_init__(self) -> None:
        if self.spread < 0 or self.read_noise < 0:
            raise ValueError("spread and read_noise are at least 0")


LEVELS = torch.tensor([0.0, 0.5, 1.0, 1.0, 2.0], dtype=torch.float64)


def line_law(device: Line, plan: Plan) -> Moments:
    x = torch.tensor(plan.inputs, dtype=torch.float64)
    covariance = device.spread**2 * torch.outer(x, x) + device.read_noise**2 * torch.eye(
        len(x), dtype=torch.float64
    )
    return Moments((device.offset + device.slope * x)[None], covariance[None])


def line_table(device: Line, cells: int, *seed: str | int) -> Table:
    generator = stream(0, "line", *seed)
    slopes = device.slope + device.spread * torch.randn(cells, 1, generator=generator, dtype=torch.float64)
    read_noise = device.read_noise * torch.randn(cells, len(LEVELS), generator=generator, dtype=torch.float64)
    plan = Plan("target", torch.zeros(cells, len(LEVELS)).double(), (0.0,) * 5, tuple(LEVELS.tolist()))
    return Table(plan, device.offset + slopes * LEVELS + read_noise)


def test_a_law_of_ones_own_gives_what_theory_says() -> None:
    """Linear Gaussian cells: the sandwich agrees with the Fisher information, to within its own error."""
    truth = Line(1.2, -0.1, 0.25, 0.08)
    found = fit(Line(), line_table(truth, 4000, "theory"), law=line_law)
    x = LEVELS
    covariance = line_law(truth, line_table(truth, 20, "x").plan).covariance[0]
    design = torch.stack([x, torch.ones_like(x)], 1)
    information = 4000 * design.T @ torch.linalg.inv(covariance) @ design
    wanted = torch.linalg.inv(information).diagonal().sqrt()
    assert found["slope"].error == pytest.approx(float(wanted[0]), rel=0.06)
    assert found["offset"].error == pytest.approx(float(wanted[1]), rel=0.06)
    for parameter in found.parameters:
        assert abs(parameter.value - getattr(truth, parameter.name)) < 5 * parameter.error
    assert found.device == replace(truth, **{p.name: p.value for p in found.parameters})


def test_intervals_of_a_closed_law_hold_the_truth_in_95_of_100() -> None:
    """250 repeats of 4 parameters; per parameter |z| < 4.5 of the binomial, false alarm 3e-5."""
    truth, repeats = Line(), 250
    hits = dict.fromkeys(numbers(truth), 0)
    for repeat in range(repeats):
        found = fit(truth, line_table(truth, 200, "coverage", repeat), law=line_law, free=numbers(truth))
        for p in found.parameters:
            hits[p.name] += p.low <= getattr(truth, p.name) <= p.high
    for count in hits.values():
        assert abs(count - 0.945 * repeats) < 4.5 * math.sqrt(repeats * 0.055 * 0.945), hits


@pytest.mark.parametrize("device", [WanRRAM(), ModulatorBank()], ids=name)
def test_intervals_of_simulated_moments_hold_the_truth(device: Any) -> None:
    """25 repeats of all parameters: at least 80 % within, by chance below 1e-3. Full size: the study."""
    plan = suggested(device, 200)
    law = lru_cache(128)(simulated(20, 3))
    names = tuple(p.name for p in fit(device, measured(device, plan), limit=0.4).parameters)
    inside = [
        p.low <= getattr(device, p.name) <= p.high
        for repeat in range(25)
        for p in fit(device, measured(device, plan, repeat, repeat), free=names, law=law).parameters
    ]
    assert sum(inside) / len(inside) > 0.8


def test_too_narrow_intervals_would_be_seen() -> None:
    """The check above can fail: half the interval holds 67 %."""
    truth = Line()
    inside = []
    for repeat in range(100):
        found = fit(truth, line_table(truth, 200, "narrow", repeat), law=line_law, free=("slope",))["slope"]
        inside.append(abs(found.value - truth.slope) < 0.98 * found.error)
    assert sum(inside) / 100 < 0.8


class Cells(NamedTuple):
    knobs: Tensor
    gain: Tensor


@dataclass(frozen=True)
class Own(Device[Cells]):
    """A user's device, with no line about calibration."""

    spread: float = 0.3  # relative sd of the cells' gain
    read_noise: float = 0.01  # V rms

    def __post_init__(self) -> None:
        if self.spread < 0 or self.read_noise < 0:
            raise ValueError("Own: spread and read_noise are at least 0")

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> Cells:
        return Cells(birth.normal("knobs", rows, cols), 1 + self.spread * birth.normal("gain", rows, cols))

    def pulse(self, cells: Cells, drive: Tensor, noise: Noise) -> Cells:
        return cells._replace(knobs=cells.knobs + drive)

    def collect(self, cells: Cells, x: Tensor, noise: Noise) -> Tensor:
        return x @ (cells.gain * cells.knobs).mT

    def sense(self, cells: Cells, u: Tensor, noise: Noise) -> Tensor:
        return u + self.read_noise * noise.normal(u)

    def fire(self, cells: Cells, u: Tensor, noise: Noise) -> Tensor:
        return u.relu()


def test_a_device_of_ones_own_needs_no_line_for_it() -> None:
    """Errors are those of theory: 1 / sqrt(2 n) of a spread seen plainly, by 400 of the 500 cells."""
    truth = Own(0.2, 0.02)
    found = fit(Own(), measured(truth, suggested(truth), 8))
    assert {p.name for p in found.parameters} == {"spread", "read_noise"}
    assert found["spread"].error / found["spread"].value == pytest.approx(1 / 800**0.5, rel=0.2)
    for p in found.parameters:
        assert abs(p.value - getattr(truth, p.name)) < 4.5 * p.error


def test_a_distant_start_comes_to_the_same() -> None:
    """Every parameter of the start is off by 25 to 50 %, and the answers agree within a tenth of an error."""
    truth = LinearECRAM(read_noise=0.01)
    made = measured(truth, suggested(truth, 200), 5)
    names = ("step", "step_spread", "top", "bottom", "read_noise", "fading_up", "fading_down")
    near = fit(truth, made, free=names)
    start = replace(
        truth,
        step=0.0026,
        step_spread=0.15,
        top=1.5,
        bottom=-0.6,
        read_noise=0.015,
        fading_up=0.15,
        fading_down=0.4,
    )
    far = fit(start, made, free=names)
    for p in near.parameters:
        assert abs(far[p.name].value - p.value) < 0.1 * p.error + 1e-9, p.name
    assert not far.warnings


def test_a_start_at_the_truth_is_left_as_any_other() -> None:
    """By this table's dice the search once stayed where it began, which a start at the truth flatters."""
    device = UnknownNeurons()
    table = measured(device, suggested(device, 500), 4, 4)
    starts = device, replace(device, strangeness=1.15, read_noise=0.023)
    at, off = (fit(d, table, free=("strangeness", "read_noise"), copies=10, seed=40_000_005) for d in starts)
    for one, other in zip(at.parameters, off.parameters, strict=True):
        assert one.value != getattr(device, one.name)
        assert abs(one.value - other.value) < 0.5 * one.error


def test_ends_of_intervals() -> None:
    """Many Gaussian cells: 1.96. Few: Student's. Skewed: shifted to the tail by 1.447 of the skewness."""
    assert _ends(0.0, 1e9) == pytest.approx((-1.959964, 1.959964), abs=1e-5)
    assert _ends(0.0, 10.0) == pytest.approx((-2.228139, 2.228139), abs=1e-5)
    low, high = _ends(0.2, 1e9)
    assert (low + high) / 2 == pytest.approx(0.2 * 8.682918 / 6, abs=1e-5)


def test_a_law_that_does_not_suit_the_table_is_seen() -> None:
    """Cells with soft bounds, taken for linear ones: a diagnostic lies beyond 4; none for the right law."""
    truth = SoftBoundsRRAM(write_noise=0.0, read_noise=0.01, cycle_noise=0.5)
    made = measured(truth, suggested(truth, 200), 6)
    right = fit(truth, made, free=("step", "top", "bottom", "read_noise"))
    assert max(abs(t.z) for t in right.diagnostics.tests) < 4
    linear = LinearECRAM(step=0.002, top=1.25, bottom=-0.75, read_noise=0.01, cycle_noise=0.5)
    wrong = fit(linear, made, free=("step", "read_noise", "fading_up", "fading_down"))
    assert max(abs(t.z) for t in wrong.diagnostics.tests) > 4


def test_what_a_table_cannot_tell_is_named_and_held() -> None:
    device = SoftBoundsRRAM()
    plan = suggested(device, 100)
    early = Plan("pulses", plan.actions[:, :3], plan.seconds[:3], plan.inputs[:3])  # never near a bound
    found = fit(device, measured(device, early), copies=10)
    assert "bottom" in found.held and found.held["bottom"] == device.bottom
    assert any(w.startswith("bottom is not identifiable from this table") for w in found.warnings)
    insisted = fit(device, measured(device, early), copies=10, free=("step", "bottom_spread"))
    assert any(w.startswith("bottom_spread is not identifiable") for w in insisted.warnings)


def test_of_two_that_show_only_together_one_is_left() -> None:
    """Amplifier and cell gains multiply; a scale for all spreads is a setting."""
    found = fit(Mismatched(), measured(Mismatched(), suggested(Mismatched(), 200)), limit=0.3, copies=10)
    assert ("gain_spread" in found.held) != ("amp_spread" in found.held)
    assert "severity" in found.held and settings(Mismatched()) == ("severity",)


def test_nothing_to_tell_is_an_error() -> None:
    device = WanRRAM()
    made = measured(device, suggested(device, 100))
    with pytest.raises(ValueError, match="no parameter is identifiable"):
        fit(device, made, limit=1e-6, copies=2)
    with pytest.raises(ValueError, match="colour is not a float parameter; there are read_noise, g_max"):
        fit(device, made, free=("colour",))
    with pytest.raises(ValueError, match="free is empty"):
        fit(device, made, free=())
    with pytest.raises(ValueError, match="miss_scale is 0, from where no search"):
        fit(WanRRAM(miss_scale=0.0), made, free=("miss_scale",))


def test_scales_are_asked_of_the_device() -> None:
    device = SoftBoundsRRAM()
    signs = {n: scale(device, n).sign for n in ("step", "bottom", "asymmetry")}
    assert signs == {"step": 1, "bottom": -1, "asymmetry": 0}
    for n in signs:
        s = scale(device, n)
        assert s.outward(s.inward(getattr(device, n))) == pytest.approx(getattr(device, n))


@pytest.mark.parametrize("device", [*ZOO, Line()], ids=lambda d: type(d).__name__)
def test_meaning_and_unit_are_those_of_the_source(device: Any) -> None:
    comments = stated(type(device))
    if isinstance(device, Pulsed):
        assert comments["write_noise"].endswith("in units of `step`")
        assert set(comments) >= {"step", "top", "asymmetry_spread"}
    if "read_noise" in numbers(device):
        assert comments["read_noise"].startswith("V rms")


@pytest.mark.parametrize("device", [d for d in ZOO if isinstance(d, Pulsed)], ids=name)
def test_a_plan_of_pulses_is_what_the_wires_would_do(device: Any) -> None:
    """Silent moments of a plan against a chip that is programmed blank and pulsed through its port."""
    baseline = replace(device, cycle_noise=0.0, write_noise=0.0, read_noise=0.0)
    if isinstance(baseline, CapacitorCell):
        baseline = replace(baseline, lifetime=1e9)  # a port's pulses take time
    plan = Plan("pulses", torch.tensor([[0.0, 5.0, -3.0]]).repeat(20, 1).double(), (0.0,) * 3, (1.0,) * 3)
    made = measured(baseline, plan, identity=4).readings
    chip = Chip(baseline, (dense(1, 20, linear=True, bias=False),), identity=4)
    port = chip.port()
    port.program(port.spec.zeros())
    for row, pulses in enumerate((0.0, 5.0, -3.0)):
        port.pulse(tuple(torch.full_like(z, pulses * baseline.step) for z in port.spec.zeros()))
        assert torch.allclose(port.measure(torch.ones(1, 1)).out[0].double(), made[:, row], atol=2e-6)


def test_moments_do_not_depend_on_how_cells_are_laid_out() -> None:
    """Means over histories of independent cells: 40 copies of 50 cells or 20 of 100, within 5 sigma."""
    device = WanRRAM()
    few, many = suggested(device, 50), suggested(device, 100)
    a, b = simulated(40)(device, few), simulated(20)(device, many)
    error = (a.covariance.diagonal(dim1=1, dim2=2) / (40 * 10)).sqrt()
    assert float(((a.mean - b.mean) / error / 2**0.5).abs().max()) < 5


def test_the_same_dice_at_every_setting() -> None:
    """Moments change smoothly: a millionth of a parameter moves them by about a millionth."""
    device, plan = SoftBoundsRRAM(), suggested(SoftBoundsRRAM(), 20)
    law = simulated(5)
    moved = law(replace(device, top=device.top * (1 + 1e-6)), plan).mean - law(device, plan).mean
    assert 0 < float(moved.abs().max()) < 1e-4
