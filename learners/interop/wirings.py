"""Linear and Conv2d as layers with knobs, and convolutions found again among wirings."""

from collections.abc import Iterator
from itertools import product
from math import isqrt, prod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from analog.layers.crossbar import Layer, dense
from analog.layers.regular import conv2d


class Wired(NamedTuple):
    """A layer and its knobs."""

    layer: Layer
    knobs: Tensor  # (tiles, rows, cols)


class Conv(NamedTuple):
    """A convolution, and the shape of what comes out of it."""

    module: nn.Conv2d
    image: tuple[int, int, int]  # planes, height, width


def wired(
    name: str, module: nn.Linear | nn.Conv2d, image: tuple[int, ...] | None
) -> tuple[Wired, tuple[int, ...] | None]:
    """The linear layer of a module.

    Args:
        name: of the module, for messages.
        module: with weights in any dtype.
        image: (planes, height, width) of what comes in; None: rows.

    Returns:
        The layer with its knobs (tiles, rows, cols), and the shape of the image that comes out, if it is one.

    Raises:
        ValueError: the module does not fit, saying what about it.
    """
    if isinstance(module, nn.Conv2d):
        return _conv(name, module, image)
    if image is not None:
        raise ValueError(f"{name}: gets an image {tuple(image)}; put Flatten before it")
    layer = dense(module.in_features, module.out_features, bias=module.bias is not None, linear=True)
    return Wired(layer, _knobs(module.weight, module.bias, 1)), None


def _conv(name: str, module: nn.Conv2d, image: tuple[int, ...] | None) -> tuple[Wired, tuple[int, ...]]:
    if image is None or len(image) != 3 or image[0] != module.in_channels:
        raise ValueError(
            f"{name}: gets {'rows' if image is None else tuple(image)}; wanted images ({module.in_channels}, "
            "height, width): pass image=, or put Unflatten before it"
        )
    size, stride, padding = _square(name, module)
    planes, groups = module.in_channels // module.groups, module.groups
    layer = conv2d(
        (image[0], image[1], image[2]),
        module.out_channels,
        size,
        stride=stride,
        padding=padding,
        biases="none" if module.bias is None else "shared",
        groups=[range(g * planes, (g + 1) * planes) for g in range(groups)],
        linear=True,
    )
    sides = [(side + 2 * padding - size) // stride + 1 for side in image[1:]]
    return Wired(layer, _knobs(module.weight, module.bias, groups)), (module.out_channels, *sides)


def _square(name: str, module: nn.Conv2d) -> tuple[int, int, int]:
    """Kernel size, stride and padding, each the same both ways."""
    padding = module.padding
    if isinstance(padding, str):
        even = any(size % 2 == 0 for size in module.kernel_size)
        if padding == "same" and even:
            raise ValueError(f"{name}: pads an even kernel unequally; wanted an odd kernel")
        padding = tuple(size // 2 if padding == "same" else 0 for size in module.kernel_size)
    numbers = {"kernel_size": module.kernel_size, "stride": module.stride, "padding": padding}
    for word, (down, across) in numbers.items():
        if down != across:
            raise ValueError(f"{name}: {word} is {down} by {across}; wanted the same both ways")
    if tuple(module.dilation) != (1, 1) or (padding != (0, 0) and module.padding_mode != "zeros"):
        raise ValueError(f"{name}: is dilated, or padded by other than zeros")
    return module.kernel_size[0], module.stride[0], padding[0]


def _knobs(weight: Tensor, bias: Tensor | None, tiles: int) -> Tensor:  # (tiles, rows, cols)
    """A row for each output of each tile, the bias behind its weights."""
    rows = weight.detach().reshape(tiles, weight.shape[0] // tiles, -1)
    return rows.clone() if bias is None else torch.cat((rows, bias.detach().reshape(*rows.shape[:2], 1)), -1)


def conv_of(layer: Layer, knobs: Tensor, image: tuple[int, int, int]) -> Conv | None:
    """The Conv2d that a layer with such knobs is, if it is a convolution of such an image.

    Args:
        layer: of any wiring.
        knobs: (tiles, rows, cols).
        image: (planes, height, width).
    """
    groups = layer.tiles
    if layer.features_in != prod(image) or image[0] % groups:
        return None
    share = image[0] // groups
    inputs = [range(g * share, (g + 1) * share) for g in range(groups)]
    for shape in _shapes(layer, share, image):
        channels, words = groups * layer.rows, "shared" if shape.bias else "none"
        made = conv2d(
            image,
            channels,
            shape.size,
            stride=shape.stride,
            padding=shape.padding,
            biases=words,
            groups=inputs,
            linear=layer.linear,
        )
        if made == layer:
            return Conv(_module(shape, image[0], groups, knobs), (channels, *shape.sites))
    return None


class _Shape(NamedTuple):
    """A way in which a convolution may look at an image."""

    size: int
    stride: int
    padding: int
    bias: bool
    sites: tuple[int, int]  # down, across


def _shapes(layer: Layer, share: int, image: tuple[int, int, int]) -> Iterator[_Shape]:
    """The ways in which a layer of so many inputs and outputs may look at an image."""
    sites = layer.features // (layer.tiles * layer.rows)
    for bias in (True, False):
        size = isqrt(max(0, layer.cols - bias) // share)
        if size < 1 or share * size**2 + bias != layer.cols:
            continue
        for stride, padding in product(range(1, max(image[1:]) + 1), range(size)):
            down, across = ((side + 2 * padding - size) // stride + 1 for side in image[1:])
            if min(down, across) > 0 and down * across == sites:
                yield _Shape(size, stride, padding, bias, (down, across))


def _module(shape: _Shape, planes: int, groups: int, knobs: Tensor) -> nn.Conv2d:
    """The Conv2d of such a shape with these knobs (tiles, rows, cols)."""
    module = nn.utils.skip_init(
        nn.Conv2d,
        planes,
        knobs.shape[0] * knobs.shape[1],
        shape.size,
        stride=shape.stride,
        padding=shape.padding,
        groups=groups,
        bias=shape.bias,
        dtype=knobs.dtype,
        device=knobs.device,
    )
    weights = knobs.shape[-1] - shape.bias
    with torch.no_grad():
        module.weight.copy_(knobs[..., :weights].reshape(module.weight.shape))
        if module.bias is not None:
            module.bias.copy_(knobs[..., -1].flatten())
    return module
