"""Networks of torch as layers and knobs of a chip, and back: `nn.Sequential` of `Linear` and `Conv2d`."""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from analog.device import Device
from analog.layers.crossbar import Layer
from analog.randomness import Fabrication, Noise
from analog.spec import Knobs

from .wirings import Wired, conv_of, wired

_GRID = 61  # potentials at which neurons are compared
_RANGE = 3.0  # V, to both sides
_EQUAL = 1e-5  # V
_FAR = 64.0  # full scales, by which a pulse finds out how far a cell goes


def layers_of(
    network: nn.Sequential,
    device: Device[Any],
    *,
    image: tuple[int, int, int] | None = None,
    identity: int = 0,
    chips: int | None = None,
) -> tuple[tuple[Layer, ...], Knobs]:
    """The layers of a chip that does what a network does, and the knobs that make it do so.

        layers, knobs = layers_of(network, device)
        chip = Chip(device, layers)
        chip.port().program(knobs)

    `Linear` and square `Conv2d` become layers, with their biases as inputs that are always 1. What follows a
    layer is the device's neuron, so an activation must be what the device's neurons do; ReLU is taken for any
    device, with a warning that says how far its neurons are from it. `Flatten`, `Unflatten`, `Identity` and
    `Dropout` are nothing to a chip that is read. Warned of are knobs out of the cells' reach, which a chip
    clips. Cells that are no weights (a gain, an offset, a curve of their own) are not reckoned with.

    Args:
        network: of these modules alone.
        device: whose neurons and whose cells' reach are compared.
        image: (planes, height, width) of the input, where the first layer is a Conv2d and no Unflatten says
            it.
        identity: of the chip whose cells and neurons are compared.
        chips: how many chips of a fleet get the same knobs; None: one chip, without a fleet's axis.

    Returns:
        The layers, input side first, and knobs ([chips,] tiles, rows, cols) for each.

    Raises:
        TypeError: a module is none of these, naming it.
        ValueError: a module does not fit, naming it and what about it.
    """
    if not isinstance(network, nn.Sequential):
        raise TypeError(f"layers_of: got a {type(network).__name__}, wanted a torch.nn.Sequential")
    entries = _entries(network, image)
    for number, entry in enumerate(entries):
        cells = _cells(device, entry.wired.layer, number, identity, entry.wired.knobs)
        _compare_neurons(device, cells, number, entry)
        _compare_reach(device, cells, number, identity, entry.wired.knobs)
    knobs = tuple(entry.wired.knobs for entry in entries)
    if chips is not None:
        knobs = tuple(k.expand(chips, *k.shape).clone() for k in knobs)
    return tuple(entry.wired.layer for entry in entries), knobs


def module_of(
    layers: Sequence[Layer],
    knobs: Knobs,
    *,
    image: tuple[int, int, int] | None = None,
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> nn.Sequential:
    """The network that an ideal chip of these layers and knobs is.

    A layer that is a convolution of the image becomes a `Conv2d`; every other wiring, grouped, patched or
    shared, a `Linear` with the matrix that it comes to.

    Args:
        layers: of a chip, input side first: `chip.spec.layers`.
        knobs: (tiles, rows, cols) for each layer, of one chip: a fleet's are `tuple(k[0] for k in knobs)`.
        image: (planes, height, width) of the input, where there are convolutions.
        activation: makes what follows each layer that is not linear.

    Raises:
        ValueError: knobs do not fit the layers, or a layer prepares its input by no affine map.
    """
    if len(layers) != len(knobs):
        raise ValueError(f"module_of: got knobs of {len(knobs)} layers for {len(layers)} layers")
    modules: list[nn.Module] = []
    shape = image
    for number, (layer, k) in enumerate(zip(layers, knobs, strict=True)):
        if tuple(k.shape) != (layer.tiles, layer.rows, layer.cols):
            raise ValueError(
                f"module_of: layer {number}: knobs are {tuple(k.shape)}, wanted "
                f"{(layer.tiles, layer.rows, layer.cols)} of one chip"
            )
        conv = None if shape is None else conv_of(layer, k, shape)
        if conv is None:
            flat = shape is not None and number > 0
            modules += [nn.Flatten(1)] * flat + [_linear(number, layer, k)]
            shape = None
        else:
            modules += [] if number else [nn.Unflatten(1, shape or ())]
            modules.append(conv.module)
            shape = conv.image
        modules += [] if layer.linear else [activation()]
    return nn.Sequential(*modules, *[nn.Flatten(1)] * (shape is not None))


class _Entry(NamedTuple):
    """A layer, and the activation that follows it; None: it is linear."""

    wired: Wired
    name: str  # of the module, as messages name it
    activation: nn.Module | None


_PASSED_OVER = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d)


def _entries(network: nn.Sequential, image: tuple[int, ...] | None) -> list[_Entry]:
    """The layers of a network with their activations."""
    entries: list[_Entry] = []
    shape, open_layer = image, False  # of the activity, while it is an image; whether a layer awaits neurons
    for key, module in _flat(network):
        name = f"layers_of: module {key}, {module}"
        if isinstance(module, _PASSED_OVER):
            continue
        if isinstance(module, nn.Flatten):
            shape = None
        elif isinstance(module, nn.Unflatten):
            shape = tuple(int(size) for size in module.unflattened_size)
        elif isinstance(module, nn.Linear | nn.Conv2d):
            made, shape = wired(name, module, shape)
            entries.append(_Entry(made, name, None))
            open_layer = True
        elif open_layer and not any(True for _ in module.parameters()) and _is_elementwise(module):
            entries[-1] = entries[-1]._replace(name=name, activation=module)
            layer = _with_neurons(entries[-1].wired.layer)
            entries[-1] = entries[-1]._replace(wired=entries[-1].wired._replace(layer=layer))
            open_layer = False
        else:
            raise TypeError(
                f"{name}: is nothing that a chip has there; wanted Linear, Conv2d, each with or without one "
                "activation behind it, Flatten, Unflatten, Identity or Dropout"
            )
    if not entries:
        raise ValueError("layers_of: the network has no Linear or Conv2d")
    return entries


def _flat(network: nn.Sequential, prefix: str = "") -> Iterable[tuple[str, nn.Module]]:
    """The modules of a Sequential, those of Sequentials in it among them, by their names."""
    for key, module in network.named_children():
        if isinstance(module, nn.Sequential):
            yield from _flat(module, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", module


def _is_elementwise(module: nn.Module) -> bool:
    """Whether a module gives each number alone the same as among others."""
    x = torch.linspace(-_RANGE, _RANGE, 6).view(2, 3)
    try:
        whole, single = module(x), torch.stack([module(v.view(1, 1)) for v in x.flatten()]).view(2, 3)
    except Exception:  # whatever a module of another kind makes of two rows of three numbers
        return False
    return isinstance(whole, Tensor) and whole.shape == x.shape and torch.allclose(whole, single)


def _with_neurons(layer: Any) -> Layer:
    """The same layer with neurons behind it."""
    with_neurons: Layer = replace(layer, linear=False)
    return with_neurons


def _linear(number: int, layer: Layer, knobs: Tensor) -> nn.Linear:
    """The Linear that a wiring with such knobs (tiles, rows, cols) comes to."""

    exact = knobs.double()  # so that what is added for the bias can be taken away again

    def act(x: Tensor) -> Tensor:
        return layer.scatter(layer.gather(x) @ exact.mT)

    inputs = torch.eye(layer.features_in, dtype=torch.float64, device=knobs.device)
    bias = act(torch.zeros_like(inputs[:1]))[0]
    weight = (act(inputs) - bias).mT
    trial = torch.linspace(-2, 3, 2 * layer.features_in, dtype=torch.float64, device=knobs.device)
    x = trial.view(2, -1)
    if not torch.allclose(act(x), x @ weight.mT + bias, rtol=1e-6, atol=1e-9):
        raise ValueError(f"module_of: layer {number}: {layer!r} prepares its input by no affine map")
    constant = bool((bias != 0).any())
    module = nn.utils.skip_init(
        nn.Linear, layer.features_in, layer.features, bias=constant, dtype=knobs.dtype, device=knobs.device
    )
    with torch.no_grad():
        module.weight.copy_(weight)
        if constant:
            module.bias.copy_(bias)
    return module


def _cells(device: Device[Any], layer: Layer, number: int, identity: int, like: Tensor) -> Any:
    """The cells of a layer of the chip of that identity, fresh."""
    birth = Fabrication((identity,), (), number, layer.tiles, like.new_empty(0))
    return device.fabricate(layer.rows, layer.cols, birth)


def _compare_neurons(device: Device[Any], cells: Any, number: int, entry: _Entry) -> None:
    """Warn of neurons that are no ReLUs, and refuse another activation than what neurons do."""
    if entry.activation is None:
        return
    layer, knobs = entry.wired
    u = torch.linspace(-_RANGE, _RANGE, _GRID, dtype=knobs.dtype, device=knobs.device)
    u = u[:, None].expand(layer.tiles, _GRID, layer.rows)
    gap = float((device.fire(cells, u, Noise.none()) - entry.activation(u)).abs().max())
    if gap <= _EQUAL:
        return
    words = f"the neurons of {type(device).__name__} differ from it by up to {gap:.3g} V within {_RANGE:g} V"
    if not isinstance(entry.activation, nn.ReLU):
        raise ValueError(f"{entry.name}: {words}; wanted ReLU, or a device whose neurons do the same")
    warnings.warn(f"layers_of: layer {number}: ReLU: {words}", stacklevel=3)


def _compare_reach(device: Device[Any], cells: Any, number: int, identity: int, knobs: Tensor) -> None:
    """Warn of knobs that cells cannot take: beyond their stated bounds, or beyond where pulses bring them."""
    bounds = device.bounds(cells)
    if bounds is None:
        blank = device.perturb(cells, -cells.knobs)
        far = torch.full_like(knobs, max(_FAR, 2 * float(knobs.abs().max())))
        bounds = _reached(device, blank, -far), _reached(device, blank, far)
    low, high = bounds
    beyond = torch.maximum(knobs - high, low - knobs).clamp(min=0)
    clipped = int((beyond > 0).sum())
    if clipped:
        warnings.warn(
            f"layers_of: layer {number}: {clipped:,} of {knobs.numel():,} knobs are out of reach of the "
            f"cells of chip {identity}, by up to {float(beyond.max()):.3g} of full scale, and are clipped",
            stacklevel=3,
        )


def _reached(device: Device[Any], cells: Any, drive: Tensor) -> Tensor:  # (tiles, rows, cols)
    """The knobs after a pulse without noise."""
    knobs: Tensor = device.pulse(cells, drive, Noise.none()).knobs
    return knobs
