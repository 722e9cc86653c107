"""An edge that no cell of a table has reached tells nothing of where it lies."""

from dataclasses import dataclass, replace

import pytest
import torch

from analog import MeasurementPlan, MeasurementTable, stream
from analog.calibrate import Moments, calibrate

TIMES = (1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Saturating:
    """What grows with time, up to a top."""

    rate: float = 1.0
    top: float = 4.2
    noise: float = 0.05

    def __post_init__(self) -> None:
        if min(self.rate, self.top, self.noise) <= 0:
            raise ValueError("wanted above 0")


def saturating(device: Saturating, plan: MeasurementPlan) -> Moments:
    """The mean of what was read, with a top beyond which nothing grows."""
    mean = (device.rate * torch.tensor(TIMES, dtype=torch.float64)).clamp(max=device.top)
    return Moments(mean[None], device.noise**2 * torch.eye(len(plan.inputs), dtype=torch.float64)[None])


def table_of(truth: Saturating, cells: int = 400) -> MeasurementTable:
    plan = MeasurementPlan("target", torch.zeros(cells, 3).double(), (0.0,) * 3, (1.0,) * 3)
    noise = torch.randn(cells, 3, generator=stream(0, "saturating"), dtype=torch.float64)
    return MeasurementTable(plan, saturating(truth, plan).mean + truth.noise * noise)


@pytest.mark.parametrize("start", [4.01, 4.05, 4.5, 6.0])
def test_a_top_that_was_never_reached_is_not_told_wherever_the_search_begins(start: float) -> None:
    """Below 4 the readings would be cut, above it nothing changes: a derivative over the edge sees half."""
    found = calibrate(Saturating(top=start), table_of(Saturating(top=10.0)), model=saturating)
    assert any("not identifiable" in why for why in found["top"].doubts), found
    assert not found["rate"].doubts and not found["noise"].doubts, found


def test_a_top_that_was_reached_is_told() -> None:
    truth = Saturating(top=3.0)
    found = calibrate(Saturating(), table_of(truth), model=saturating)
    assert not found["top"].doubts and abs(found["top"].value - truth.top) < 4.5 * found["top"].error
    assert replace(truth, top=found["top"].value) != truth
