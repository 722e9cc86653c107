"""Cells at the bench: how many weights they can hold, and which do not move."""

import pytest

from analog import Ideal
from analog.devices import ConstantStep, RRAMArray
from studies.kit.metrics.cell_bench import WRITE, bench


def plain(**numbers: float) -> ConstantStep:
    return ConstantStep(
        step_dtod=0, up_down_dtod=0, w_max_dtod=0, w_min_dtod=0, **{"cycle_to_cycle_std": 0, **numbers}
    )


@pytest.mark.parametrize("step", [0.5, 0.25])
def test_levels_without_noise_are_the_range_in_steps(step: float) -> None:
    assert bench(plain(step=step), 3)["levels"] == pytest.approx(1 + 2 / step)


@pytest.mark.parametrize("cycle_to_cycle_std", [0.5, 2.0])
def test_levels_are_the_range_over_what_a_write_leaves_to_chance(cycle_to_cycle_std: float) -> None:
    step = 0.001
    blur = cycle_to_cycle_std * step * (WRITE / step) ** 0.5
    found = bench(plain(step=step, cycle_to_cycle_std=cycle_to_cycle_std), 3)
    assert found["levels"] == pytest.approx(1 + 2 / blur, rel=0.1) and found["unmoved"] == 0  # 3,200 cells


def test_dead_cells_do_not_move_and_silent_ones_have_no_end_of_levels() -> None:
    assert bench(RRAMArray(dead=0.3), 3)["unmoved"] == pytest.approx(0.3, abs=0.05)  # 6 sd
    assert bench(Ideal(), 3)["levels"] is None
