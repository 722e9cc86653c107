"""Temperature speeds up ageing and changes amplifiers."""

import math

import pytest
import torch
from torch import Generator, Tensor

from analog import Ideal, Noise
from analog.devices import CapacitorCell
from analog.effects import Temperature
from tests.twostage import kept
from tests.zoo import many

DOUBLE = torch.float64


def test_temperature_speeds_up_ageing_by_arrhenius() -> None:
    """A second at 330 K is exp(.6 eV / k * (1/300 - 1/330)) = 8.24 seconds at 300 K."""
    device = CapacitorCell(lifetime_dtod=0.0)
    hot = Temperature(device, kelvin=330.0, activation=0.6)
    assert hot.acceleration_factor == pytest.approx(8.24, rel=2e-3)
    cells, none = many(hot, 3), Noise.none()
    aged = hot.age(cells, 0.1, none).knobs / cells.knobs
    torch.testing.assert_close(
        aged, torch.full_like(aged, math.exp(-0.1 * hot.acceleration_factor)), rtol=1e-3, atol=0.0
    )


def test_warm_amplifiers_change_gain_and_hiss() -> None:
    """ln(gain) has mean and sd 30 K times theirs; hot noise adds .02^2 * (T/300 - 1) (4 means)."""
    hot = Temperature(Ideal(), kelvin=360.0)

    def sample(n: int, generator: Generator) -> Tensor:
        cells = many(hot, n, int(torch.randint(2**31, (1,), generator=generator)))
        slope = cells.gain.log().flatten() / 60
        u = torch.zeros(1, 1, n, dtype=DOUBLE)
        read = hot.sense(cells, u, Noise(generator)).flatten()
        return torch.stack((slope * 1e3, (slope * 1e3 + 1).square(), read, read.square() * 1e4), -1)

    wanted = torch.tensor([-1.0, 1.0, 0.0, 4 * 0.2], dtype=DOUBLE)
    assert kept(sample, wanted, 4000, "warm")
