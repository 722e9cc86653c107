"""Mismatch falls off with distance on a wafer."""

import math

import torch
from torch import Generator, Tensor

from analog import Ideal, Noise, stream
from analog.effects import Wafer
from analog.effects.wafer import correlated
from tests.twostage import kept
from tests.zoo import birth

DOUBLE = torch.float64


def test_mismatch_falls_off_with_distance() -> None:
    """Covariance exp(-d / reach) at distances 0, 1, 5 and 20 (4 means)."""

    def sample(n: int, generator: Generator) -> Tensor:
        walk = correlated(torch.randn(n, 30, generator=generator, dtype=DOUBLE), 5.0)
        return torch.stack([walk[:, 4] * walk[:, 4 + d] for d in (0, 1, 5, 20)], -1)

    wanted = torch.tensor([math.exp(-d / 5) for d in (0, 1, 5, 20)], dtype=DOUBLE)
    assert kept(sample, wanted, 4000, "wafer")


def test_wafer_gains_multiply_inputs_and_outputs() -> None:
    device = Wafer(Ideal(), gain_dtod=0.3)
    cells = device.fabricate(4, 6, birth())
    x = torch.randn(1, 3, 6, generator=stream(0, "gains"), dtype=DOUBLE)
    gain = cells.down.mT * cells.across
    torch.testing.assert_close(device.collect(cells, x, Noise.none()), x @ (gain * cells.knobs).mT)
    assert float(gain.log().std()) > 0.05
