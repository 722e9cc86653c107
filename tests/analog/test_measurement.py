"""Plans of measurements: what is done before each reading, and who has lived through the same."""

import pytest
import torch

from analog import MeasurementPlan
from analog.devices import ZOO
from analog.measurement import MeasurementTable
from tests.zoo import name


def test_trains_are_the_same_for_all_cells() -> None:
    plan = MeasurementPlan.trains(3, (0, 5, -2), (0.0, 1.0, 1.5))
    assert plan.actions.tolist() == [[0.0, 5.0, -2.0]] * 3 and plan.actions.dtype == torch.float64
    assert plan.written == (False,) * 3 and plan.waits == (0.0, 1.0, 0.5)
    assert plan.histories[0].shape == (1, 3) and plan.histories[1].tolist() == [0, 0, 0]


def test_a_printed_table_is_a_line() -> None:
    plan = MeasurementPlan.trains(3000, (0, 5, -2))
    table = MeasurementTable(plan, torch.linspace(-1, 0.5, 9000).reshape(3000, 3).double())
    assert repr(table) == (
        "MeasurementTable(MeasurementPlan(pulses, 3,000 cells, 3 rows of each, shows reading), "
        "from -1 to 0.5)"
    )


def test_targets_go_round_the_levels() -> None:
    plan = MeasurementPlan.targets(5, (-0.5, 0.5), (0.0, 2.0, 0.0), (1, 1, 0), "activity")
    assert plan.actions[:, 0].tolist() == [-0.5, 0.5, -0.5, 0.5, -0.5]
    assert plan.written == (True, False, True)  # where seconds do not grow, cells are written again
    assert plan.waits == (0.0, 2.0, 0.0) and plan.shown == "activity"
    assert plan.histories[1].tolist() == [0, 1, 0, 1, 0]


def test_a_plan_of_unequal_columns_is_refused() -> None:
    with pytest.raises(ValueError, match=r"actions are \(2, 3\), seconds 2, inputs 3; wanted"):
        MeasurementPlan("target", torch.zeros(2, 3).double(), (0.0, 1.0), (1.0,) * 3)


@pytest.mark.parametrize("device", ZOO, ids=name)
@pytest.mark.parametrize("cells", [1, 7, 40])
def test_a_plan_has_as_many_cells_as_asked(device: object, cells: int) -> None:
    plan = device.default_plan(cells)  # type: ignore[attr-defined]
    assert plan.actions.shape == (cells, len(plan.seconds)) and min(plan.waits) >= 0
