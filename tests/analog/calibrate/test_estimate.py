"""Calibration: intervals hold the truth, wherever the search starts and whatever the device."""

import math
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from analog import Device, Fabrication, MeasurementPlan, MeasurementTable, Noise, setting, stream
from analog.calibrate import Moments, calibrate, simulate_table, simulated_moments
from analog.calibrate.scales import float_parameters
from analog.devices import ZOO, LinearECRAM, ModulatorBank, SoftBoundsRRAM, UnknownNeurons, WanRRAM
from analog.devices.pulsed import Pulsed
from analog.settings import settings
from tests.sampled import sampled
from tests.zoo import name


@dataclass(frozen=True)
class Line:
    """A user's own: not a device, only parameters and the mean and variance of what they lead to."""

    slope: float = 1.0  # full scale per input
    offset: float = 0.0  # full scale
    spread: float = 0.3  # sd of slopes between cells
    read_noise: float = setting(0.1, "white noise of a reading", unit="V rms")

    def __post_init__(self) -> None:
        if self.spread < 0 or self.read_noise < 0:
            raise ValueError("spread and read_noise are at least 0")


LEVELS = torch.tensor([0.0, 0.5, 1.0, 1.0, 2.0], dtype=torch.float64)


def line_model(device: Line, plan: MeasurementPlan) -> Moments:
    x = torch.tensor(plan.inputs, dtype=torch.float64)
    covariance = device.spread**2 * torch.outer(x, x) + device.read_noise**2 * torch.eye(
        len(x), dtype=torch.float64
    )
    return Moments((device.offset + device.slope * x)[None], covariance[None])


def line_table(device: Line, cells: int, *seed: str | int) -> MeasurementTable:
    generator = stream(0, "line", *seed)
    slopes = device.slope + device.spread * torch.randn(cells, 1, generator=generator, dtype=torch.float64)
    read_noise = device.read_noise * torch.randn(cells, len(LEVELS), generator=generator, dtype=torch.float64)
    plan = MeasurementPlan(
        "target", torch.zeros(cells, len(LEVELS)).double(), (0.0,) * 5, tuple(LEVELS.tolist())
    )
    return MeasurementTable(plan, device.offset + slopes * LEVELS + read_noise)


def test_a_model_of_ones_own_gives_what_theory_says() -> None:
    """Linear Gaussian cells: the sandwich agrees with the Fisher information, to within its own error."""
    truth = Line(1.2, -0.1, 0.25, 0.08)
    found = calibrate(Line(), line_table(truth, 4000, "theory"), model=line_model)
    x = LEVELS
    covariance = line_model(truth, line_table(truth, 20, "x").plan).covariance[0]
    design = torch.stack([x, torch.ones_like(x)], 1)
    information = 4000 * design.T @ torch.linalg.inv(covariance) @ design
    wanted = torch.linalg.inv(information).diagonal().sqrt()
    assert found["slope"].error == pytest.approx(float(wanted[0]), rel=0.06)
    assert found["offset"].error == pytest.approx(float(wanted[1]), rel=0.06)
    for parameter in found.parameters:
        assert abs(parameter.value - getattr(truth, parameter.name)) < 5 * parameter.error
    assert found.device == replace(truth, **{p.name: p.value for p in found.parameters})


def test_intervals_of_a_closed_form_hold_the_truth_in_95_of_100() -> None:
    """125 or 250 repeats of 4 parameters; per parameter |z| < 4.5 of the binomial, false alarm 3e-5."""
    truth, tried = Line(), sampled(range(250), 2)
    hits, repeats = dict.fromkeys(float_parameters(truth), 0), len(tried)
    for repeat in tried:
        found = calibrate(
            truth, line_table(truth, 200, "coverage", repeat), model=line_model, free=float_parameters(truth)
        )
        for p in found.parameters:
            hits[p.name] += p.low <= getattr(truth, p.name) <= p.high
    for count in hits.values():
        assert abs(count - 0.945 * repeats) < 4.5 * math.sqrt(repeats * 0.055 * 0.945), hits


@pytest.mark.parametrize("device", sampled([WanRRAM(), ModulatorBank()], 2), ids=name)
def test_intervals_of_simulated_moments_hold_the_truth(device: Any) -> None:
    """25 repeats of all parameters: at least 80 % within, by chance below 1e-3. Full size: the study."""
    plan = device.default_plan(200)
    model = lru_cache(128)(simulated_moments(20, 3))
    names = tuple(p.name for p in calibrate(device, simulate_table(device, plan), limit=0.4).parameters)
    inside = [
        p.low <= getattr(device, p.name) <= p.high
        for repeat in range(25)
        for p in calibrate(
            device, simulate_table(device, plan, repeat, repeat), free=names, model=model
        ).parameters
    ]
    assert sum(inside) / len(inside) > 0.8


def test_too_narrow_intervals_would_be_seen() -> None:
    """The check above can fail: half the interval holds 67 %."""
    truth = Line()
    inside = []
    for repeat in range(100):
        found = calibrate(truth, line_table(truth, 200, "narrow", repeat), model=line_model, free=("slope",))[
            "slope"
        ]
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
    found = calibrate(Own(), simulate_table(truth, truth.default_plan(), 8))
    assert {p.name for p in found.parameters} == {"spread", "read_noise"}
    assert found["spread"].error / found["spread"].value == pytest.approx(1 / 800**0.5, rel=0.2)
    for p in found.parameters:
        assert abs(p.value - getattr(truth, p.name)) < 4.5 * p.error


def test_a_distant_start_comes_to_the_same() -> None:
    """Every parameter of the start is off by 25 to 50 %, and the answers agree within a tenth of an error."""
    truth = LinearECRAM(read_noise=0.01)
    table = simulate_table(truth, truth.default_plan(200), 5)
    names = ("step", "step_dtod", "w_max", "w_min", "read_noise", "softness_up", "softness_down")
    near = calibrate(truth, table, free=names)
    start = replace(
        truth,
        step=0.0026,
        step_dtod=0.15,
        w_max=1.5,
        w_min=-0.6,
        read_noise=0.015,
        softness_up=0.15,
        softness_down=0.4,
    )
    far = calibrate(start, table, free=names)
    for p in near.parameters:
        assert abs(far[p.name].value - p.value) < 0.1 * p.error + 1e-9, p.name
    assert not far.warnings


def test_a_start_at_the_truth_is_left_as_any_other() -> None:
    """By this table's draws the search once stayed where it began, which a start at the truth flatters."""
    device = UnknownNeurons()
    table = simulate_table(device, device.default_plan(500), 4, 4)
    starts = device, replace(device, strangeness=1.15, read_noise=0.023)
    at, off = (
        calibrate(d, table, free=("strangeness", "read_noise"), copies=10, seed=40_000_005) for d in starts
    )
    for one, other in zip(at.parameters, off.parameters, strict=True):
        assert one.value != getattr(device, one.name)
        assert abs(one.value - other.value) < 0.5 * one.error


def test_a_device_that_does_not_suit_the_table_is_seen() -> None:
    """Cells with soft bounds, taken for linear ones: a diagnostic lies beyond 4; none for the right model."""
    truth = SoftBoundsRRAM(write_noise=0.0, read_noise=0.01, cycle_to_cycle_std=0.5)
    table = simulate_table(truth, truth.default_plan(200), 6)
    right = calibrate(truth, table, free=("step", "w_max", "w_min", "read_noise"))
    assert max(abs(t.z) for t in right.diagnostics.tests) < 4
    linear = LinearECRAM(step=0.002, w_max=1.25, w_min=-0.75, read_noise=0.01, cycle_to_cycle_std=0.5)
    wrong = calibrate(linear, table, free=("step", "read_noise", "softness_up", "softness_down"))
    assert max(abs(t.z) for t in wrong.diagnostics.tests) > 4


@pytest.mark.parametrize("device", ZOO, ids=name)
def test_every_estimate_of_ours_comes_with_its_meaning(device: Any) -> None:
    """Those of a subclass that states only a number are its base class's."""
    known = settings(type(device))
    assert all(known[n].meaning for n in float_parameters(device))
    if isinstance(device, Pulsed):
        assert known["write_noise"].unit == "steps"


def test_an_estimate_has_the_meaning_and_unit_of_its_setting() -> None:
    found = calibrate(Line(), line_table(Line(), 100, "meaning"), model=line_model)
    assert (found["read_noise"].meaning, found["read_noise"].unit) == ("white noise of a reading", "V rms")
    assert found["slope"].meaning == ""  # nothing is stated of it


def test_a_calibration_is_shown_in_a_few_lines() -> None:
    """Name, value, error and unit of each parameter, and what the search warns of."""
    found = calibrate(Line(), line_table(Line(), 20, "shown"), model=line_model)
    first, *lines = str(found).splitlines()
    assert first == "Calibration of Line:" and len(lines) < 8
    assert any(re.fullmatch(r" +read_noise +0\.\d+ ± 0\.\d+ V rms", line) for line in lines)
    assert re.fullmatch(r"Calibration\(Line, \d parameters found(, \d [a-z ]+)*\)", repr(found))
    table = found._repr_html_()
    assert table.count("<tr>") >= 1 + len(found.parameters) and "white noise of a reading" in table
