"""Networks as layers and knobs and back: the same answers to rounding, and what does not fit is named."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from analog import (
    BadInput,
    Chip,
    Ideal,
    Layer,
    Mismatched,
    conv2d,
    dense,
    grouped,
    mlp,
    patches,
    stream,
    xray,
)
from analog.devices import ConstantStep, PCMPair
from analog.layers import Normalized, prepared
from learners.interop import layers_of, module_of

from .test_teachers import filled, skipped

IMAGE = (4, 7, 6)
X = torch.randn(5, 168, generator=stream(0, "x"))


def network(*modules: Any) -> nn.Sequential:
    made = filled(nn.Sequential(*modules))
    assert isinstance(made, nn.Sequential)
    return made


def linear(*sizes: int, **settings: Any) -> Any:
    return skipped(nn.Linear, *sizes, **settings)


def conv(*sizes: int, **settings: Any) -> Any:
    return skipped(nn.Conv2d, *sizes, **settings)


NETWORKS: dict[str, nn.Sequential] = {
    "perceptron": network(linear(168, 9), nn.ReLU(), linear(9, 5), nn.ReLU(), linear(5, 3)),
    "neurons at the end, linear within": network(linear(168, 9, bias=False), linear(9, 5), nn.ReLU()),
    "convolutions": network(
        nn.Unflatten(1, IMAGE),
        conv(4, 6, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Sequential(conv(6, 4, 2, groups=2, bias=False), nn.ReLU()),
        nn.Flatten(),
        linear(24, 3),
    ),
    "convolution at the end": network(nn.Unflatten(1, IMAGE), conv(4, 8, 3, padding="same"), nn.Flatten()),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_ideal_chip_answers_as_the_network_and_gives_it_back(name: str) -> None:
    net = NETWORKS[name].eval()
    layers, knobs = layers_of(net, Ideal())
    chip = Chip(Ideal(), layers)
    chip.port().program(knobs)
    answer = chip.port().measure(X).out
    with torch.no_grad():
        torch.testing.assert_close(answer, net(X), rtol=1e-5, atol=1e-5)
        back = module_of(layers, xray.knobs(chip), image=IMAGE if "conv" in name else None)
        torch.testing.assert_close(back(X), net(X), rtol=1e-5, atol=1e-5)
    kinds = [type(m) for m in net.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    assert [type(m) for m in back if isinstance(m, nn.Linear | nn.Conv2d)] == kinds
    again, same = layers_of(back, Ideal())
    assert again == layers and all(torch.equal(a, b) for a, b in zip(knobs, same, strict=True))


@pytest.mark.parametrize(
    "layers",
    [
        (grouped(168, 8, 4), dense(8, 2, linear=True)),
        (patches((3, 8, 7), 1, 2), dense(112, 2, bias=False, linear=True)),
        (conv2d(IMAGE, 4, 3, groups=[[0, 3], [1, 2]]), dense(80, 2, linear=True)),
        (conv2d(IMAGE, 2, 3, biases="per-site"),),
    ],
    ids=["groups", "patches", "crossed planes", "a bias per site"],
)
def test_any_wiring_comes_to_a_linear_of_its_matrix(layers: tuple[Layer, ...]) -> None:
    chip = Chip(Ideal(), layers, 3)
    with torch.no_grad():
        out = module_of(layers, xray.knobs(chip), image=IMAGE)(X)
        torch.testing.assert_close(out, chip.port().measure(X).out, rtol=1e-4, atol=1e-4)


def test_a_fleet_gets_the_same_knobs() -> None:
    layers, knobs = layers_of(NETWORKS["perceptron"], Ideal(), chips=3)
    fleet = Chip(Ideal(), layers, range(3))
    fleet.port().program(knobs)
    out = fleet.port().measure(X).out
    torch.testing.assert_close(out[0], out[2])


@pytest.mark.parametrize("device", [ConstantStep(), PCMPair()])
def test_what_is_out_of_reach_is_said(device: Any) -> None:
    """Whether a device states bounds or only stops there."""
    net = network(linear(3, 2))
    net[0].weight.data[1, 2] = 3.0
    net[0].weight.data[0].zero_()
    net[0].weight.data[1, :2] = 0.1
    net[0].bias.data.zero_()
    with pytest.warns(
        UserWarning, match=r"layer 0: 1 of 8 knobs are out of reach of the cells of chip 4, by"
    ):
        layers_of(net, device, identity=4)
    net[0].weight.data[1, 2] = 0.1
    layers_of(net, device, identity=4)


def test_neurons_that_are_no_relus_are_said() -> None:
    net = network(linear(3, 2), nn.ReLU())
    with pytest.warns(UserWarning, match=r"layer 0: ReLU: the neurons of Mismatched differ from it by up to"):
        layers_of(net, Mismatched())
    layers_of(net, Mismatched(severity=0.0))


@dataclass(frozen=True)
class Saturating(Ideal):
    """Neurons that are hyperbolic tangents."""

    def fire(self, cells: Any, u: Tensor, noise: Any) -> Tensor:
        return u.tanh()


def test_an_activation_fits_if_it_is_what_the_neurons_do() -> None:
    net = network(linear(168, 4), nn.Tanh(), linear(4, 2))
    layers, knobs = layers_of(net, Saturating())
    chip = Chip(Saturating(), layers)
    chip.port().program(knobs)
    with torch.no_grad():
        torch.testing.assert_close(chip.port().measure(X).out, net(X), rtol=1e-5, atol=1e-5)
        back = module_of(layers, knobs, activation=nn.Tanh)
        torch.testing.assert_close(back(X), net(X), rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match=r"module 1, Tanh\(\): the neurons of Ideal differ from it by up to"):
        layers_of(net, Ideal())


@pytest.mark.parametrize(
    ("net", "error", "says"),
    [
        (nn.ReLU(), TypeError, "layers_of: got a ReLU, wanted a torch.nn.Sequential"),
        (nn.Sequential(nn.Flatten()), ValueError, "the network has no Linear or Conv2d"),
        (
            nn.Sequential(linear(3, 3), nn.ReLU(), nn.ReLU()),
            TypeError,
            r"module 2, ReLU\(\): is nothing that a chip has there",
        ),
        (nn.Sequential(linear(3, 3), nn.Softmax(-1)), TypeError, r"module 1, Softmax\(dim=-1\): is nothing"),
        (
            nn.Sequential(nn.Sequential(linear(3, 3), nn.BatchNorm1d(3))),
            TypeError,
            r"module 0.1, BatchNorm1d",
        ),
        (nn.Sequential(nn.Unflatten(1, IMAGE), nn.MaxPool2d(2)), TypeError, "module 1, MaxPool2d"),
        (
            nn.Sequential(conv(4, 2, 3)),
            ValueError,
            r"gets rows; wanted images \(4, height, width\): pass image=",
        ),
        (
            nn.Sequential(nn.Unflatten(1, IMAGE), conv(3, 2, 3)),
            ValueError,
            r"gets \(4, 7, 6\); wanted images \(3",
        ),
        (
            nn.Sequential(nn.Unflatten(1, IMAGE), linear(6, 2)),
            ValueError,
            "gets an image .*put Flatten before",
        ),
        (
            nn.Sequential(nn.Unflatten(1, IMAGE), conv(4, 2, (3, 1))),
            ValueError,
            "kernel_size is 3 by 1; wanted",
        ),
        (
            nn.Sequential(nn.Unflatten(1, IMAGE), conv(4, 2, 3, dilation=2)),
            ValueError,
            "is dilated, or padded",
        ),
        (
            nn.Sequential(nn.Unflatten(1, IMAGE), conv(4, 2, 3, padding=1, padding_mode="circular")),
            ValueError,
            "is dilated, or padded by other than zeros",
        ),
        (
            nn.Sequential(nn.Unflatten(1, IMAGE), conv(4, 2, 2, padding="same")),
            ValueError,
            "pads an even kernel",
        ),
    ],
)
def test_what_does_not_fit_is_named(net: Any, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        layers_of(net, Ideal())


def test_knobs_that_are_no_single_chips_and_wirings_that_are_not_affine_are_refused() -> None:
    fleet = Chip(Ideal(), mlp(4, 3, 2), range(2))
    with pytest.raises(
        ValueError, match=r"layer 0: knobs are \(2, 1, 3, 5\), wanted \(1, 3, 5\) of one chip"
    ):
        module_of(fleet.spec.layers, xray.knobs(fleet))
    with pytest.raises(ValueError, match="got knobs of 1 layers for 2 layers"):
        module_of(mlp(4, 3, 2), (torch.zeros(1, 3, 5),))
    layer = prepared(dense(4, 3), Normalized())
    with pytest.raises(ValueError, match="layer 0: .*prepares its input by no affine map"):
        module_of((layer,), (X[:3, :5].unsqueeze(0),))


def test_a_network_or_its_parameters_as_knobs_are_told_the_way() -> None:
    net = NETWORKS["perceptron"]
    port = Chip(Ideal(), mlp(168, 9, 5, 3)).port()
    for knobs in (net, net.state_dict()):
        with pytest.raises(BadInput, match="wanted a tuple of 3 tensors, .*by learners.interop.layers_of"):
            port.program(knobs)  # type: ignore[arg-type]
