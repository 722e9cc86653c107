"""Tiles add up to the whole, each with noise of its own."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Ideal, Mismatched, Noise, stream
from analog.devices import LinearECRAM
from analog.effects import Tiled
from tests.twostage import kept
from tests.zoo import birth

DOUBLE = torch.float64


@pytest.mark.parametrize("device", [Mismatched(), LinearECRAM()], ids=lambda d: type(d).__name__)
def test_tiles_add_up_to_the_whole(device: Any) -> None:
    """With the knobs of a whole layer in ideal crossbars the sum is the whole product; gathering the
    knobs of the crossbars and giving them out again is lossless for any device.
    """
    tiled = Tiled(Ideal(), rows=3, cols=4, output_bits=None, output_range=1e9)
    cells = tiled.fabricate(8, 10, birth())
    x = torch.randn(1, 5, 10, generator=stream(0, "tiles"), dtype=DOUBLE)
    torch.testing.assert_close(tiled.collect(cells, x, Noise.none()), x @ cells.knobs.mT)
    torch.testing.assert_close(tiled.fire(cells, x[..., :8], Noise.none()), x[..., :8].relu())
    wrapped = Tiled(device, rows=3, cols=4)
    held = wrapped.fabricate(8, 10, birth())
    torch.testing.assert_close(wrapped._joined(wrapped._parted(held.knobs), 8, 10), held.knobs)
    moved = wrapped.pulse(held, 0.1 * torch.ones_like(held.knobs), Noise.none())
    assert bool((moved.knobs >= held.knobs).all())  # some are at their bound


def test_every_crossbar_adds_its_own_noise() -> None:
    """Three crossbars along a row of inputs: three times the variance (1 mean)."""
    device = Tiled(LinearECRAM(read_noise=0.1), rows=4, cols=4, output_bits=None)

    def sample(n: int, generator: Generator) -> Tensor:
        cells = device.fabricate(1, 12, birth())
        x = torch.zeros(1, n, 12, dtype=DOUBLE)
        return device.collect(cells, x, Noise(generator)).flatten().square().unsqueeze(-1)

    assert kept(sample, torch.tensor([3 * 0.1**2], dtype=DOUBLE), 4000, "crossbars")
