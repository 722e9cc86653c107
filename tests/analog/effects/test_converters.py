"""Converters have their levels and no more; gradients see through them."""

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, Ideal, Mismatched, Noise, dense, stream, xray
from analog.effects import Clipped, Converters
from analog.effects.converters import convert
from tests.twostage import kept

DOUBLE = torch.float64


def test_a_converter_has_its_levels_and_no_more() -> None:
    noise = Noise(stream(0, "levels"))
    values = torch.linspace(-3, 3, 60_001, dtype=DOUBLE)
    out = convert(values, 4, 1.5, noise)
    assert len(out.unique()) == 2**4 - 1
    inside = values.abs() <= 1.5
    assert float((out - values)[inside].abs().max()) <= 1.5 / 7 / 2 + 1e-12
    assert float(out.max()) == pytest.approx(1.5) == -float(out.min())
    torch.testing.assert_close(convert(-values, 4, 1.5, noise), -out)


def test_rounding_errors_are_a_step_over_root_twelve() -> None:
    """Variance q^2/12 for inputs spread over many steps (2 means)."""

    def sample(n: int, generator: Generator) -> Tensor:
        values = 2 * torch.rand(n, generator=generator, dtype=DOUBLE) - 1
        error = (convert(values, 8, 1.0, Noise(generator)) - values) * 127
        return torch.stack((error, 12 * error.square()), -1)

    assert kept(sample, torch.tensor([0.0, 1.0], dtype=DOUBLE), 4000, "rounding")


def test_the_exact_gradient_sees_through_converters() -> None:
    """It is the bare device's, where nothing is out of range, and zero beyond."""
    layers = (dense(6, 4), dense(4, 3, linear=True))
    x = 0.5 * torch.randn(5, 6, generator=stream(0, "gradient"), dtype=DOUBLE)
    bare, coarse, narrow = (
        xray.knob_gradient(Chip(d, layers, 2, dtype=DOUBLE), x, None, lambda out, _: out.square().sum(-1))
        for d in (Ideal(), Converters(Ideal(), 3, 50.0, 3, 50.0), Clipped(Ideal(), limit=1e-9))
    )
    for a, b, c in zip(bare, coarse, narrow, strict=True):
        torch.testing.assert_close(a, b)
        assert float(c.abs().max()) < 1e-6


def test_readings_are_on_the_converters_grid_and_within_the_limit() -> None:
    x = torch.randn(50, 6, generator=stream(0, "grid"))
    out = Chip(Converters(Mismatched(), output_bits=5, output_range=3.0), (dense(6, 3, linear=True),)).port()
    taps = out.measure(x).out / (3.0 / 15)
    torch.testing.assert_close(taps, taps.round(), atol=1e-4, rtol=0.0)
    clipped = Chip(Clipped(Mismatched(read_noise=5.0), limit=0.5), (dense(6, 3, linear=True),)).port()
    assert float(clipped.measure(x).out.abs().max()) == 0.5
