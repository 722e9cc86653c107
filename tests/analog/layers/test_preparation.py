"""What preparations carry back is the vector-Jacobian product of what they carry on."""

from typing import Any

import pytest
import torch

from analog import Layer, conv2d, dense, grouped, patches, stream
from analog.layers import (
    Averaged,
    AveragePooled,
    LastStep,
    MaxPooled,
    Normalized,
    OneHot,
    Paired,
    Preparation,
    channel_mixing,
    prepared,
    token_mixing,
)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "preparation", *shape), dtype=torch.float64)


PREPARATIONS: list[tuple[Preparation, int]] = [  # and how many features come out
    (Normalized(3), 12),
    (Averaged(4), 6),
    (LastStep(4), 6),
    (Paired(1.5), 12),
    (MaxPooled((2, 6, 4), 2), 12),
    (MaxPooled((2, 6, 4), 2, planes_first=False), 12),
    (AveragePooled((3, 6, 6), 3), 12),
    (AveragePooled((3, 6, 6), 3, planes_first=False), 12),
]


@pytest.mark.parametrize(("preparation", "features"), PREPARATIONS, ids=str)
def test_what_comes_back_is_the_vector_jacobian_product(preparation: Preparation, features: int) -> None:
    x = draw(2, 5, preparation.features_in(features)).requires_grad_()
    out = preparation(x)
    gradient = draw(*out.shape)
    (wanted,) = torch.autograd.grad(out, x, gradient)
    assert out.shape == (2, 5, features)
    torch.testing.assert_close(preparation.pull_back(x.detach(), gradient), wanted)


def test_pooling_takes_the_squares_of_each_plane() -> None:
    x = draw(3, 2, 4, 6)
    squares = x.unflatten(-1, (3, 2)).unflatten(-3, (2, 2)).movedim(-2, -3)  # (3, 2, 2, 3, 2, 2)
    largest, means = squares.amax((-1, -2)), squares.mean((-1, -2))
    pixels_first = x.movedim(1, -1).flatten(1)
    for pooled, wanted in ((MaxPooled, largest), (AveragePooled, means)):
        torch.testing.assert_close(pooled((2, 4, 6))(x.flatten(1)), wanted.flatten(1))
        found = pooled((2, 4, 6), planes_first=False)(pixels_first)
        torch.testing.assert_close(found, wanted.movedim(1, -1).flatten(1))


def test_the_number_of_a_symbol_has_no_derivative() -> None:
    x = torch.tensor([[0.0, 2.0]])
    assert not OneHot(3).pull_back(x, draw(1, 6)).any()


LAYERS: list[Layer] = [
    dense(6, 5),
    grouped(6, 9, 3, bias=False),
    token_mixing(4, 3),
    channel_mixing(4, 6, 9, 3),
    patches((2, 4, 6), 2, 3),
    conv2d((2, 6, 6), 4, 3, stride=2, biases="per-site", groups=[[0], [1]]),
    conv2d((2, 6, 6), 4, 3, padding=1, planes_first=False),
    prepared(dense(3, 4, linear=True), AveragePooled((3, 4, 4), 4), Normalized()),
    prepared(conv2d((2, 3, 3), 4, 2, image_planes_first=False), MaxPooled((2, 6, 6), 2, planes_first=False)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@pytest.mark.parametrize(("of_x", "of_weights"), [((), ()), ((2,), ()), ((2,), (2,))], ids=str)
def test_gradients_of_a_layers_product_are_exact(layer: Layer, of_x: Any, of_weights: Any) -> None:
    x = draw(*of_x, 3, layer.features_in).requires_grad_()
    weights = draw(*of_weights, layer.tiles, layer.rows, layer.cols).requires_grad_()
    product = layer.multiply(x, weights)
    torch.testing.assert_close(product, layer.gather(x) @ weights.mT)
    nodes = draw(*of_x, 3, layer.features)
    at_x, at_weights = torch.autograd.grad((layer.scatter(product) * nodes).sum(), (x, weights))
    x, weights = x.detach(), weights.detach()
    torch.testing.assert_close(layer.input_gradient(x, nodes, weights), at_x)
    found = layer.weight_gradient(x, nodes)
    torch.testing.assert_close(found.sum_to_size(at_weights.shape), at_weights)


LIFTING: list[Layer] = [
    dense(6, 5),
    conv2d((2, 6, 6), 4, 3, padding=1, planes_first=False),
    prepared(dense(6, 4, linear=True), Averaged(3)),
    prepared(dense(12, 4, linear=True), MaxPooled((3, 8, 8), 2), AveragePooled((3, 4, 4), 2)),
    prepared(conv2d((2, 3, 3), 4, 2, image_planes_first=False), MaxPooled((2, 6, 6), 2, planes_first=False)),
]


@pytest.mark.parametrize("layer", LIFTING, ids=str)
def test_a_lifted_change_moves_what_drives_the_core_as_told_whatever_drives_the_layer(layer: Layer) -> None:
    core, change = layer.core, draw(2, 3, layer.core.features_in)
    weights, x = draw(layer.tiles, layer.rows, layer.cols), draw(2, 3, layer.features_in)
    moved = layer.multiply(x + layer.lift(change), weights) - layer.multiply(x, weights)
    at_nothing = core.multiply(torch.zeros_like(change), weights)
    torch.testing.assert_close(moved, core.multiply(change, weights) - at_nothing)


@pytest.mark.parametrize("preparation", [Normalized(2), OneHot(3), Paired()], ids=str)
def test_what_cannot_be_moved_at_will_says_so(preparation: Preparation) -> None:
    with pytest.raises(ValueError, match=f"{type(preparation).__name__}: no change of what comes in"):
        preparation.lift(draw(2, 12))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: MaxPooled((2, 5, 4), 2), "do not fill the image"),
        (lambda: AveragePooled((2, 4, 4), 0), "at least 1"),
        (lambda: prepared(dense(9, 2), MaxPooled((2, 4, 4), 2)), "gives 8 features, the layer wants 9"),
    ],
)
def test_pooling_that_does_not_fit_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
