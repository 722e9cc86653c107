"""Thermally tuned modulators: the sine, the neighbours' heat, the phase error."""

import math

import pytest
import torch
from torch import Generator, Tensor

from analog import Noise
from analog.devices import ModulatorBank
from analog.devices.modulators import neighbor_sum
from tests.twostage import kept
from tests.zoo import birth, many


def test_without_crosstalk_and_spread_a_weight_is_a_sine() -> None:
    device = ModulatorBank(crosstalk=0.0, offset_dtod=0.0)
    cells = device.fabricate(5, 4, birth())
    torch.testing.assert_close(cells.weights, (math.pi / 2 * cells.knobs).sin())


def test_heat_reaches_the_four_nearest() -> None:
    """To first order in the crosstalk a knob moves its neighbours' phases by that share of its own."""
    device = ModulatorBank(crosstalk=0.01, offset_dtod=0.0)
    cells = device.fabricate(3, 3, birth())._replace(knobs=torch.zeros(1, 3, 3, dtype=torch.float64))
    one = torch.zeros(1, 3, 3, dtype=torch.float64)
    one[0, 1, 1] = 0.1
    phase = device.perturb(cells, one).weights.asin() / (math.pi / 2)
    cross = torch.tensor([[0, 0.001, 0], [0.001, 0.1, 0.001], [0, 0.001, 0]], dtype=torch.float64)
    torch.testing.assert_close(phase[0], cross)


def test_heat_ends_at_the_edge() -> None:
    sums = neighbor_sum(torch.ones(2, 1, 3, 4))
    assert sums[0, 0, 0, 0] == 2 and sums[1, 0, 1, 1] == 4 and sums[0, 0, 0, 1] == 3
    assert float(sums.sum()) == 2 * 2 * (3 * 3 + 2 * 4)


def test_phases_miss_as_stated() -> None:
    """Mean and variance of a setting, in units of 5e-3 rad; 2 means."""
    device = ModulatorBank()

    def sample(n: int, generator: Generator) -> Tensor:
        cells = many(device, n)
        cells = device.perturb(cells, -cells.knobs)
        after = device.pulse(cells, torch.full_like(cells.knobs, 0.3), Noise(generator))
        off = (after.knobs.flatten() - 0.3) * (math.pi / 2) / 5e-3
        return torch.stack((off, off.square()), -1)

    assert kept(sample, torch.tensor([0.0, 1.0], dtype=torch.float64), 4000, "phase")


def test_heaters_end_at_full_scale() -> None:
    device = ModulatorBank()
    cells = many(device, 10)
    after = device.pulse(cells, torch.full_like(cells.knobs, 9.0), Noise.none())
    assert float(after.knobs.max()) == pytest.approx(1.0) == float(after.knobs.min())
