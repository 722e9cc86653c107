"""Regular convolutions multiply and carry gradients as gathered products do, up to rounding."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import Chip, Device, Ideal, Layer, Mismatched, Port, Probe, conv2d, stream, xray
from analog.devices import PCM, UnknownNeurons
from analog.layers import AveragePooled, Convolution, MaxPooled, Sites, prepared
from analog.layers.crossbar import Gathering

F64 = torch.float64


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "regular", *shape), dtype=F64)


@pytest.mark.parametrize("planes_first", [True, False])
@pytest.mark.parametrize("image_planes_first", [True, False])
@given(
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    value=st.sampled_from([0.0, -1.0]),
    biased=st.booleans(),
    leads=st.sampled_from([((), ()), ((3,), ()), ((), (2,)), ((3, 2), (2,)), ((1,), (3, 2)), ((2,), (3, 1))]),
)
def test_products_are_those_of_the_gathered_wiring(
    planes_first: bool,
    image_planes_first: bool,
    stride: int,
    padding: int,
    value: float,
    biased: bool,
    leads: Any,
) -> None:
    layer = conv2d(
        (2, 6, 5),
        3,
        3,
        stride=stride,
        padding=padding,
        padding_value=value,
        biases="shared" if biased else "none",
        planes_first=planes_first,
        image_planes_first=image_planes_first,
    )
    assert isinstance(layer, Convolution)
    of_x, of_weights = leads
    x, weights = draw(*of_x, 4, layer.features_in), draw(*of_weights, 1, layer.rows, layer.cols)
    nodes = draw(*torch.broadcast_shapes(of_x, of_weights), 4, layer.features)
    sites = layer.layer
    torch.testing.assert_close(layer.multiply(x, weights), Gathering.multiply(sites, x, weights))
    torch.testing.assert_close(layer.weight_gradient(x, nodes), Gathering.weight_gradient(sites, x, nodes))
    torch.testing.assert_close(
        layer.input_gradient(x, nodes, weights), Gathering.input_gradient(sites, x, nodes, weights)
    )


@pytest.mark.parametrize("planes_first", [True, False])
def test_the_order_of_features_is_all_that_differs_between_orders(planes_first: bool) -> None:
    image = draw(4, 2, 6, 5)
    layer = conv2d((2, 6, 5), 3, 3, stride=2, planes_first=planes_first)
    other = conv2d((2, 6, 5), 3, 3, stride=2, planes_first=planes_first, image_planes_first=False)
    weights = draw(1, 3, 19)
    one = layer.scatter(layer.multiply(image.flatten(1), weights))
    two = other.scatter(other.multiply(image.movedim(1, -1).flatten(1), weights))
    torch.testing.assert_close(one, two)


def gathered(layer: Layer) -> Layer:
    """The same wiring, one site after another."""
    if isinstance(layer, Convolution):
        return layer.layer
    return prepared(layer.layer.layer, *layer.preparations)  # type: ignore[attr-defined]


@pytest.mark.parametrize("device", [Ideal(), Mismatched(), PCM(), UnknownNeurons()], ids=str)
@pytest.mark.parametrize("fleet", [3, (3, 5)])
def test_a_chip_shows_the_same_however_its_sites_are_multiplied(device: Device, fleet: Any) -> None:
    layers: tuple[Layer, ...] = (
        conv2d((3, 8, 8), 4, 3, padding=1, planes_first=False),
        prepared(
            conv2d((4, 4, 4), 5, 3, image_planes_first=False, linear=True), MaxPooled((4, 8, 8), 2, False)
        ),
    )
    ports: list[Port] = [
        Chip(device, wiring, fleet, dtype=F64).port() for wiring in (layers, tuple(map(gathered, layers)))
    ]
    x, axes = draw(6, 192), () if isinstance(fleet, int) else (2,)
    pushes = (draw(2, *axes, 6, 256) / 9, None)
    offsets = (None, draw(2, *axes, 1, 5, 37) / 9)
    for probe in (Probe(), Probe(nodes=pushes), Probe(knobs=offsets), Probe(offsets, pushes)):
        ours, theirs = (port.measure(x, probe).taps for port in ports)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-9)


def test_exact_gradients_go_through_what_is_not_gathered() -> None:
    layers = (conv2d((2, 5, 5), 3, 3, planes_first=False), conv2d((3, 3, 3), 2, 2, image_planes_first=False))
    x, target = draw(4, 50), draw(4, 8)

    def loss(out: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        return (out - wanted).square().sum(-1)

    for ours, theirs in zip(
        *(
            xray.knob_gradient(Chip(Mismatched(), wiring, 1, dtype=F64), x, target, loss)
            for wiring in (layers, tuple(map(gathered, layers)))
        ),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("pooled", [MaxPooled, AveragePooled])
@pytest.mark.parametrize("planes_first", [True, False])
def test_wirings_that_are_not_regular_are_gathered(pooled: Any, planes_first: bool) -> None:
    assert isinstance(conv2d((2, 4, 4), 2, 2, biases="per-site"), Sites)
    assert isinstance(conv2d((2, 4, 4), 2, 2, groups=[[0], [1]]), Sites)
    layer = prepared(conv2d((2, 4, 4), 2, 2), pooled((2, 8, 8), 2, planes_first))
    assert layer.regular and not conv2d((2, 4, 4), 2, 2, groups=[[1, 0]]).regular
