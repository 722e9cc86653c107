"""Every layer gathers and scatters as it says, and dense ones are matrix products."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import Layer, conv2d, dense, grouped, mlp, patches, stream


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "layers", *shape), dtype=torch.float64)


def product(layer: Layer, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return layer.scatter(layer.gather(x) @ w.mT)


LAYERS = [
    dense(6, 5),
    dense(6, 5, bias=False),
    grouped(6, 9, 3),
    conv2d((2, 5, 4), 3, 3, stride=1, padding=1, padding_value=-1.0),
    conv2d((2, 6, 6), 4, 3, stride=2, biases="per-site", groups=[[0], [1]]),
    conv2d((1, 4, 4), 2, 2, biases="none"),
    patches((2, 4, 6), 2, 3),
    patches((1, 4, 4), 2, 3, shared=False, bias=False),
]


@pytest.mark.parametrize("layer", LAYERS, ids=str)
@given(lead=st.lists(st.integers(1, 3), max_size=2), batch=st.integers(1, 4))
def test_shapes_and_inverse(layer: Layer, lead: list[int], batch: int) -> None:
    gathered = layer.gather(draw(*lead, batch, layer.features_in))
    sites = layer.features // (layer.tiles * layer.rows)
    assert gathered.shape == (*lead, layer.tiles, batch * sites, layer.cols)
    y = draw(*lead, batch, layer.features)
    assert torch.equal(layer.scatter(layer.unscatter(y)), y)
    assert layer.unscatter(y).shape == (*lead, layer.tiles, batch * sites, layer.rows)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_what_goes_back_through_a_wire_is_the_adjoint_of_what_comes(layer: Layer) -> None:
    x, zero = draw(2, 5, layer.features_in), torch.zeros(2, 5, layer.features_in)
    z = draw(*layer.gather(x).shape)
    back = layer.ungather(z)
    assert back.shape == x.shape
    sent = ((layer.gather(x) - layer.gather(zero)) * z).sum()
    torch.testing.assert_close((x * back).sum(), sent, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", LAYERS, ids=str)
def test_examples_do_not_touch_each_other(layer: Layer) -> None:
    x, w = draw(3, layer.features_in), draw(layer.tiles, layer.rows, layer.cols)
    whole = product(layer, x, w)
    for n in range(3):
        torch.testing.assert_close(whole[n], product(layer, x[n : n + 1], w)[0])


def test_dense_is_a_matrix_product_with_a_bias() -> None:
    x, w = draw(4, 6), draw(1, 5, 7)
    torch.testing.assert_close(product(dense(6, 5), x, w), x @ w[0, :, :6].T + w[0, :, 6])


def test_grouped_is_block_diagonal() -> None:
    x, w = draw(4, 6), draw(3, 2, 3)
    wanted = torch.cat([x[:, 2 * g : 2 * g + 2] @ w[g, :, :2].T + w[g, :, 2] for g in range(3)], -1)
    torch.testing.assert_close(product(grouped(6, 6, 3), x, w), wanted)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: grouped(6, 5, 3), "3 groups do not divide 6 inputs and 5 outputs"),
        (lambda: dense(0, 5), "at least 1"),
        (lambda: conv2d((1, 4, 4), 2, 5), "leave no site"),
        (lambda: conv2d((2, 4, 4), 2, 2, groups=[[0], [2]]), "outside 0..1"),
        (lambda: conv2d((2, 4, 4), 2, 2, groups=[[0], [0, 1]]), "equal in size"),
        (lambda: conv2d((2, 4, 4), 2, 2, biases="each"), "'shared', 'per-site' or 'none'"),
        (lambda: patches((1, 5, 4), 2, 3), "does not divide"),
        (lambda: patches((1, 4, 4), 0, 3), "does not divide"),
        (lambda: conv2d((1, 4, 4), 2, 2, stride=0), "stride 0 below 1"),
        (lambda: conv2d((2, 4, 4), 2, 2, groups=[]), "equal in size"),
        (lambda: conv2d((4, 4), 2, 2), "image is"),
    ],
)
def test_bad_wiring_is_refused(make: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()  # type: ignore[operator]


def test_a_perceptron_is_dense_layers_and_a_linear_read_out() -> None:
    assert mlp(4, 6, 5, 3) == (dense(4, 6), dense(6, 5), dense(5, 3, linear=True))
    assert mlp(4, 3, bias=False) == (dense(4, 3, bias=False, linear=True),)
    with pytest.raises(ValueError, match="mlp: wants the width of the input and that of the output"):
        mlp(4)


@pytest.mark.parametrize("layer", [dense(6, 4), dense(6, 4, bias=False), grouped(6, 4, 2)], ids=str)
@pytest.mark.parametrize("shared", ["x", "nodes", "neither"])
def test_gradients_at_weights_and_inputs_are_the_adjoints_of_the_product(layer: Layer, shared: str) -> None:
    """<nodes, product of x and w> is linear in both; either may be shared by the chips of a fleet."""
    numbers = stream(0, "adjoints", str(layer))
    x = torch.randn(*(() if shared == "x" else (3,)), 5, 6, generator=numbers, dtype=torch.float64)
    nodes = torch.randn(*(() if shared == "nodes" else (3,)), 5, 4, generator=numbers, dtype=torch.float64)
    w = torch.randn(3, layer.tiles, layer.rows, layer.cols, generator=numbers, dtype=torch.float64)
    w, x = w.requires_grad_(), x.requires_grad_()
    total = (layer.scatter(layer.multiply(x, w)) * nodes).sum()
    by_weights, by_inputs = torch.autograd.grad(total, (w, x))
    torch.testing.assert_close(layer.weight_gradient(x, nodes).expand_as(w), by_weights)
    found = layer.input_gradient(x, nodes, w)
    torch.testing.assert_close(found.sum(0) if shared == "x" else found, by_inputs)
