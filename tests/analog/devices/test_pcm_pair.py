"""One-sided phase-change pairs: growth, saturation, refresh."""

import dataclasses
import math

import pytest
import torch
from torch import Generator, Tensor

from analog import Noise, stream
from analog.devices import PCMPair
from analog.devices.pcm_pair import PairCells
from tests.twostage import kept
from tests.zoo import many

STILL = PCMPair(step_dtod=0.0, w_max_dtod=0.0, cycle_to_cycle_std=0.0)


def holding(device: PCMPair, plus: float, minus: float, count: int = 1) -> PairCells:
    cells = many(device, count)
    one = torch.ones_like(cells.knobs)
    return cells._replace(knobs=plus * one - minus * one, plus=plus * one, minus=minus * one)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("pulses", [1, 5, 12])
def test_only_one_side_grows_along_the_published_steps(sign: int, pulses: int) -> None:
    """Pulse by pulse from .2: the first is exact, a train within 5 % of the way."""
    grown = 0.2
    for _ in range(pulses):
        grown += STILL.step * (1 + STILL.height * math.exp(-STILL.steepness * grown))
    cells = holding(STILL, 0.2, 0.2)
    drive = torch.full_like(cells.knobs, sign * pulses * STILL.expected_step)
    after = STILL.pulse(cells, drive, Noise.none())
    moved, other = (after.plus, after.minus) if sign > 0 else (after.minus, after.plus)
    assert float(other) == 0.2
    assert float(moved) - 0.2 == pytest.approx(grown - 0.2, rel=1e-9 if pulses == 1 else 0.05)
    assert float(after.knobs) == float(after.plus - after.minus)


def test_a_full_pair_is_refreshed_and_keeps_its_difference() -> None:
    """Reset leaves both near .01; the difference survives on average (1 mean)."""
    device = dataclasses.replace(STILL, cycle_to_cycle_std=0.6)

    def sample(n: int, generator: Generator) -> Tensor:
        cells = holding(device, 1.49, 1.1, n)
        drive = torch.full_like(cells.knobs, device.expected_step * (1 + 1e-9))
        after = device.pulse(cells, drive, Noise(generator))
        baseline = dataclasses.replace(device, refresh_above=0.99).pulse(
            cells, drive, Noise.none()
        )  # the same pulse without a refresh
        assert float(after.minus.max()) <= 0.02 or float(after.plus.max()) < 1.5
        return (after.knobs - baseline.knobs).flatten().unsqueeze(-1)

    assert kept(sample, torch.zeros(1, dtype=torch.float64), 4000, "refresh")


def test_pairs_never_stay_full() -> None:
    device, noise = PCMPair(), Noise(stream(0, "full"))
    cells = many(device, 500)
    for k in range(60):
        cells = device.pulse(cells, torch.full_like(cells.knobs, 0.15 * (-1) ** k), noise)
        for side, w_max in ((cells.plus, cells.w_max_plus), (cells.minus, cells.w_max_minus)):
            assert bool((side >= 0).all()) and bool((side <= w_max).all())
    assert float(cells.plus.max() / device.w_max) < 1.0
    torch.testing.assert_close(cells.knobs, cells.plus - cells.minus)


def test_programming_starts_from_both_cells_erased() -> None:
    cells = holding(STILL, 1.4, 1.3)
    blank = STILL.perturb(cells, -cells.knobs)
    after = STILL.pulse(blank, torch.full_like(cells.knobs, 5 * STILL.expected_step), Noise.none())
    assert float(after.minus) == 0.0
    assert 0.3 < float(after.plus) < 1.0
