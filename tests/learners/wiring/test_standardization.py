"""Standardization: exact through the batch, and by measured statistics no example depends on another."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Mismatched, conv2d, dense, stream
from analog.layers import MaxPooled, prepared
from learners.wiring import Standardized, measure_statistics, with_standardization

F64 = torch.float64
LAYERS = (
    conv2d((2, 4, 4), 3, 3, padding=1, planes_first=False),
    prepared(conv2d((3, 2, 2), 5, 2, padding=1, image_planes_first=False), MaxPooled((3, 4, 4), 2, False)),
    dense(45, 4, linear=True),
)
BETWEEN = (Standardized(3), Standardized(5, planes_first=True))


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "standardization", *shape), dtype=F64)


@pytest.mark.parametrize("planes_first", [True, False])
@pytest.mark.parametrize("lead", [(), (2,), (2, 3)], ids=str)
def test_channels_come_to_mean_0_and_variance_1_and_gradients_come_back(
    planes_first: bool, lead: Any
) -> None:
    layer = Standardized(3, planes_first, epsilon=0.1)
    x = (1 + 2 * draw(*lead, 5, 12)).requires_grad_()
    parts = x.unflatten(-1, (3, 4)) if planes_first else x.unflatten(-1, (4, 3)).mT
    mean = parts.mean((-1, -3), keepdim=True)
    wanted = (parts - mean) / (parts.var((-1, -3), correction=0, keepdim=True) + 0.1).sqrt()
    wanted = (wanted if planes_first else wanted.mT).flatten(-2)
    gradient = draw(*lead, 5, 12)
    (back,) = torch.autograd.grad(wanted, x, gradient)
    torch.testing.assert_close(layer(x.detach()), wanted.detach())
    torch.testing.assert_close(layer.pull_back(x.detach(), gradient), back)
    statistics = layer.measure(x.detach())
    assert statistics.mean.shape == (*lead, 3)
    torch.testing.assert_close(layer.apply(x.detach(), statistics), wanted.detach())


@pytest.mark.parametrize("fleet", [3, (3, 4)])
def test_by_measured_statistics_layers_are_driven_as_by_the_batch_they_were_measured_on(fleet: Any) -> None:
    port, x = Chip(Mismatched(read_noise=0.0), LAYERS, fleet, dtype=F64).port(), draw(9, 32)
    statistics = measure_statistics(port, BETWEEN, x)
    wires = with_standardization(port, BETWEEN, statistics)
    shown = wires.measure(x).taps
    for at, layer in enumerate(BETWEEN):
        torch.testing.assert_close(
            shown[at + 1], port.measure(layer(shown[at]), first=at + 1, last=at + 1).out
        )
    alone = wires.measure(x[:1]).taps
    for one, other in zip(alone, shown, strict=True):
        torch.testing.assert_close(one, other[..., :1, :])


def test_a_chip_whose_channels_all_say_the_same_stays_finite() -> None:
    layer = Standardized(2)
    assert bool(layer(torch.ones(4, 6)).isfinite().all()) and not layer(torch.ones(4, 6)).any()


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Standardized(0)
    with pytest.raises(ValueError, match="4 channels do not divide 6"):
        Standardized(4).features_in(6)
    with pytest.raises(ValueError, match="no change of what comes in"):
        Standardized(4).lift(draw(2, 4))
    port = Chip(Ideal(), LAYERS).port()
    with pytest.raises(ValueError, match="got 1, the chip has 2 gaps"):
        with_standardization(port, BETWEEN[:1], measure_statistics(port, BETWEEN[:1], torch.ones(2, 32)))
