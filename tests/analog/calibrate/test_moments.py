"""Moments: what the wires would do, whatever the layout and at every setting."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from analog import MeasurementPlan
from analog.calibrate import simulate_table, simulated_moments
from analog.chip import Chip
from analog.devices import ZOO, CapacitorCell, SoftBoundsRRAM, WanRRAM
from analog.devices.pulsed import Pulsed
from analog.layers.crossbar import dense
from tests.zoo import name


@pytest.mark.parametrize("device", [d for d in ZOO if isinstance(d, Pulsed)], ids=name)
def test_a_plan_of_pulses_is_what_the_wires_would_do(device: Any) -> None:
    """Silent moments of a plan against a chip that is programmed blank and pulsed through its port."""
    baseline = replace(device, cycle_to_cycle_std=0.0, write_noise=0.0, read_noise=0.0)
    if isinstance(baseline, CapacitorCell):
        baseline = replace(baseline, lifetime=1e9)  # a port's pulses take time
    plan = MeasurementPlan(
        "pulses", torch.tensor([[0.0, 5.0, -3.0]]).repeat(20, 1).double(), (0.0,) * 3, (1.0,) * 3
    )
    readings = simulate_table(baseline, plan, identity=4).readings
    chip = Chip(baseline, (dense(1, 20, linear=True, bias=False),), identity=4)
    port = chip.port()
    port.program(port.spec.zeros())
    for row, pulses in enumerate((0.0, 5.0, -3.0)):
        port.pulse(tuple(torch.full_like(z, pulses * baseline.step) for z in port.spec.zeros()))
        assert torch.allclose(port.measure(torch.ones(1, 1)).out[0].double(), readings[:, row], atol=2e-6)


def test_moments_do_not_depend_on_how_cells_are_laid_out() -> None:
    """Means over histories of independent cells: 40 copies of 50 cells or 20 of 100, within 5 sigma."""
    device = WanRRAM()
    few, many = device.default_plan(50), device.default_plan(100)
    a, b = simulated_moments(40)(device, few), simulated_moments(20)(device, many)
    error = (a.covariance.diagonal(dim1=1, dim2=2) / (40 * 10)).sqrt()
    assert float(((a.mean - b.mean) / error / 2**0.5).abs().max()) < 5


def test_the_same_dice_at_every_setting() -> None:
    """Moments change smoothly: a millionth of a parameter moves them by about a millionth."""
    device, plan = SoftBoundsRRAM(), SoftBoundsRRAM().default_plan(20)
    model = simulated_moments(5)
    moved = model(replace(device, w_max=device.w_max * (1 + 1e-6)), plan).mean - model(device, plan).mean
    assert 0 < float(moved.abs().max()) < 1e-4
