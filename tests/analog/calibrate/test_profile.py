"""What shows only as a sum of squares is known of neither part, wherever on the ridge the search ends."""

from dataclasses import dataclass

import pytest
import torch

from analog import MeasurementPlan, MeasurementTable, stream
from analog.calibrate import Moments, calibrate
from analog.calibrate.prior import gaussian_prior
from analog.calibrate.profile import plateaus
from analog.calibrate.scales import search_coordinates, search_scale
from analog.calibrate.search import MomentMatching


@dataclass(frozen=True)
class TwoSpreads:
    """Two spreads that add, and noise that shows by itself."""

    cell: float = 0.3
    amplifier: float = 0.1
    read_noise: float = 0.05

    def __post_init__(self) -> None:
        if min(self.cell, self.amplifier, self.read_noise) < 0:
            raise ValueError("spreads are at least 0")


def two_spreads(device: TwoSpreads, plan: MeasurementPlan) -> Moments:
    rows = len(plan.inputs)
    together = (device.cell**2 + device.amplifier**2) * torch.ones(rows, rows, dtype=torch.float64)
    return Moments(
        torch.zeros(1, rows).double(),
        (together + device.read_noise**2 * torch.eye(rows, dtype=torch.float64))[None],
    )


def readings(truth: TwoSpreads, cells: int) -> MeasurementTable:
    generator = stream(0, "two spreads")
    spread = (truth.cell**2 + truth.amplifier**2) ** 0.5
    common = spread * torch.randn(cells, 1, generator=generator, dtype=torch.float64)
    noise = truth.read_noise * torch.randn(cells, 3, generator=generator, dtype=torch.float64)
    plan = MeasurementPlan("target", torch.zeros(cells, 3).double(), (0.0,) * 3, (1.0,) * 3)
    return MeasurementTable(plan, common + noise)


@pytest.mark.parametrize(("cell", "amplifier"), [(0.3, 0.1), (0.05, 0.3)])
def test_neither_of_two_that_add_is_vouched_for(cell: float, amplifier: float) -> None:
    """The start takes the cells for the larger; with 500 cells its own standard error there is 5 %."""
    table = readings(TwoSpreads(cell, amplifier, 0.08), 500)
    found = calibrate(TwoSpreads(), table, model=two_spreads)
    for name in ("cell", "amplifier"):
        assert any("not identifiable" in why for why in found[name].doubts), found
    assert not found["read_noise"].doubts
    alone = calibrate(TwoSpreads(amplifier=amplifier), table, model=two_spreads, free=("read_noise", "cell"))
    assert abs(alone["read_noise"].value - 0.08) < 4.5 * alone["read_noise"].error


def test_one_that_is_known_otherwise_lets_the_other_be_told() -> None:
    table = readings(TwoSpreads(0.25, 0.1, 0.08), 500)
    found = calibrate(TwoSpreads(), table, model=two_spreads, free=("cell", "read_noise"))
    assert not found["cell"].doubts and abs(found["cell"].value - 0.25) < 4.5 * found["cell"].error


def test_a_standard_error_that_is_much_too_small_is_seen_some_of_them_away() -> None:
    """The noise of simulated derivatives looks like slopes; here the errors are shrunk by hand."""
    start = TwoSpreads(amplifier=0.1)
    scales = tuple(search_scale(start, name) for name in ("cell", "read_noise"))
    models = (two_spreads, two_spreads, two_spreads)
    prior = gaussian_prior(start, scales)
    problem = MomentMatching(start, readings(TwoSpreads(0.25, 0.1, 0.08), 500), scales, *models, prior)
    at = search_coordinates(start, scales)
    linear, at, settled = problem.search(at, torch.eye(2, dtype=torch.float64) * 1e-2)
    assert settled
    asked = torch.tensor([True, True])
    assert not plateaus(problem, linear, at, linear.covariance, asked).any()
    smaller = torch.tensor([[1e-2, 1e-1], [1e-1, 1.0]], dtype=torch.float64) * linear.covariance
    assert plateaus(problem, linear, at, smaller, asked).diagonal().tolist() == [4.0, 0.0]
    assert not plateaus(problem, linear, at, smaller, ~asked).any()
