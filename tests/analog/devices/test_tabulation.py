"""Tables come out of measured histories as they were, and what a table cannot tell is said."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from analog import MeasurementPlan, MeasurementTable
from analog.calibrate import Scale, simulate_table
from analog.devices import ConstantStep, Tabulated, tabulate_curve, tabulate_steps
from analog.devices.tabulation import CELLS_UNKNOWN, COARSE, READING_UNKNOWN, SPREAD_UNKNOWN

STATES = [k / 4 for k in range(-4, 5)]
TRUTH = Tabulated(
    tuple((w, 0.02 * (1 - w) + 0.001, 0.01 + 0.005 * w) for w in STATES),
    tuple((w, -0.03 * (1 + w) - 0.0005, 0.012) for w in STATES),
    step_dtod=0.1,
    read_noise=0.01,
)
PLAN = MeasurementPlan.trains(100, ([0] + [1] * 100 + [0] * 5 + [-1] * 100) * 2)


def expected(rows: tuple[tuple[float, float, float], ...], state: float, column: int) -> float:
    return float(np.interp(state, *np.array(rows)[:, [0, column]].T))


def test_the_table_of_measured_cells_is_the_one_they_were_made_by() -> None:
    """Means to 2e-3 (of .04); sds to 4e-3; spreads to 30 %; the outermost bins apart."""
    found = tabulate_steps(simulate_table(TRUTH, PLAN))
    device = found.device
    assert found.notes == ()
    assert abs(device.step_dtod - 0.1) < 0.03 and abs(device.read_noise - 0.01) < 0.001
    for rows, truth in ((device.up, TRUTH.up), (device.down, TRUTH.down)):
        inner = [row for row in rows if abs(row[0]) < 0.85]
        assert len(inner) > 8
        for state, mean, sd in inner:
            assert abs(mean - expected(truth, state, 1)) < 2e-3
            assert abs(sd - expected(truth, state, 2)) < 4e-3


def test_more_pulses_a_reading_tell_the_same_of_one_pulse() -> None:
    trains = MeasurementPlan.trains(100, ([0] + [4] * 25 + [0] * 5 + [-4] * 25) * 4)
    one, four = (tabulate_steps(simulate_table(TRUTH, plan)).device for plan in (PLAN, trains))
    for state in (-0.5, 0.0, 0.5):
        for way in ("up", "down"):
            means = [expected(getattr(device, way), state, 1) for device in (one, four)]
            assert means[1] == pytest.approx(means[0], abs=2.5e-3)


def test_one_cell_tells_steps_and_not_how_cells_differ() -> None:
    alone = MeasurementPlan.trains(1, ([1] * 100 + [-1] * 100) * 3)
    found = tabulate_steps(simulate_table(replace(TRUTH, read_noise=0.0), alone))
    assert set(found.notes) == {CELLS_UNKNOWN, READING_UNKNOWN} and found.device.step_dtod == 0
    assert CELLS_UNKNOWN in repr(found) and max(row[2] for row in found.device.up) > 0.005


def test_what_cannot_be_tabulated_is_refused_or_said() -> None:
    with pytest.raises(ValueError, match="not of targets"):
        tabulate_steps(simulate_table(TRUTH, MeasurementPlan.targets(20, (0.1,), (0.0,), (1.0,))))
    with pytest.raises(ValueError, match="too few pulses downwards"):
        tabulate_steps(simulate_table(TRUTH, MeasurementPlan.trains(20, [0] + [1] * 50)))
    plan = MeasurementPlan.trains(20, [0, 1])
    with pytest.raises(ValueError, match="all readings are the same"):
        tabulate_steps(MeasurementTable(plan, torch.zeros(20, 2, dtype=torch.float64)))
    coarse = MeasurementPlan.trains(20, [0, *[60, -60] * 20, 20, -20, 20, -20])
    assert COARSE in tabulate_steps(simulate_table(TRUTH, coarse), bins=4).notes


def test_a_digitised_curve_gives_its_own_mean_back() -> None:
    """Siemens in, full scales out; a pulse at each point of the curve leads to the next."""
    rise = [1e-6 + 9e-6 * (1 - math.exp(-k / 8)) / (1 - math.exp(-4)) for k in range(33)]
    fall = [11e-6 - g for g in rise]
    found = tabulate_curve(rise, fall)
    assert found.notes == (SPREAD_UNKNOWN,) and SPREAD_UNKNOWN in repr(found)
    device, scale = found.device, Scale.of_range(rise)
    assert (device.step_dtod, device.read_noise, {row[2] for row in device.up}) == (0.0, 0.0, {0.0})
    table = simulate_table(device, MeasurementPlan.trains(1, [-500, *[1] * 32, *[-1] * 32]))
    curve = torch.tensor([scale.in_full_scales(g) for g in (*rise, *fall[1:])], dtype=torch.float64)
    assert float((table.readings[0] - curve).abs().max()) < 0.03
    own = tabulate_curve(rise, fall, scale=Scale(5.5e-6, 9e-6)).device
    assert own.w_max == pytest.approx(0.5) and own.w_min == pytest.approx(-0.5)


def test_a_curve_of_no_use_is_refused() -> None:
    for up, down, pulses in (([1.0] * 9, [1.0] * 9, 1), ([1.0, 2.0], [2.0, 1.0], 1), (range(9), range(9), 0)):
        with pytest.raises(ValueError, match="wanted above 6 points up and down, and pulses above 0"):
            tabulate_curve(list(up), list(down), pulses=pulses)


def test_a_device_of_another_kind_may_be_tabulated() -> None:
    """Constant steps come out constant, with the spread of cells and of cycles that the device states."""
    like = ConstantStep(step=0.02, w_max_dtod=0.0, w_min_dtod=0.0, up_down_dtod=0.0, read_noise=0.0)
    found = tabulate_steps(simulate_table(like, PLAN)).device
    inner = [row for row in (*found.up, *found.down) if abs(row[0]) < 0.7]
    assert np.mean([abs(row[1]) for row in inner]) == pytest.approx(0.02, rel=0.08)
    assert found.step_dtod == pytest.approx(0.3, rel=0.2)
    assert np.mean([row[2] for row in inner]) == pytest.approx(0.006, rel=0.2)
