"""Regular convolutions, whose products torch takes without gathering what is under each kernel.

What comes out is equal to the gathered product up to rounding. One tile, one kernel and equal steps are
wanted; any other wiring of sites is gathered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from .convolution import Sites, sites_of_image
from .crossbar import Layer
from .wrapped import Wrapped


@dataclass(frozen=True)
class Convolution(Wrapped):
    """The sites of one tile that lie on a regular grid of an image; `conv2d` makes it.

    Chips of a fleet become groups of channels: one convolution, whatever stands in front.
    """

    layer: Sites = field(repr=False)
    image: tuple[int, int, int]  # planes, height, width, of what comes in
    channels: int
    kernel_size: int
    stride: int = 1
    padding: int = 0
    image_planes_first: bool = True  # whether inputs are ordered planes first, or pixels first

    @property
    def regular(self) -> bool:
        return True

    @property
    def core(self) -> Layer:
        return self

    def multiply(self, x: Tensor, weights: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(x.shape[:-2], weights.shape[:-3])
        count = 1 if prod(weights.shape[:-3]) == 1 else prod(lead)  # tiles that differ
        separate = count > 1 and prod(x.shape[:-2]) > 1
        images, groups = self._images(x, lead, count) if separate else self._images(x, (), 1)
        if count > 1:
            weights = weights.expand(*lead, *weights.shape[-3:])
        biases = weights[..., -1].reshape(-1) if self._biased else None
        out = functional.conv2d(
            self._padded(images), self._kernels(weights), biases, self.stride, self._margin, groups=groups
        )
        by_site = out.unflatten(1, (count, self.rows)).permute(1, 0, 3, 4, 2)
        return by_site.reshape(*lead, 1, x.shape[-2] * self.layer.sites, self.rows)

    def weight_gradient(self, x: Tensor, nodes: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(x.shape[:-2], nodes.shape[:-2])
        count = prod(lead)
        images, groups = self._images(x, lead, count) if prod(x.shape[:-2]) > 1 else self._images(x, (), 1)
        kernels = x.new_empty(count * self.rows, self.image[0], self.kernel_size, self.kernel_size)
        _, found, biases = self._backward(
            self._maps(nodes, lead, count),
            self._padded(images),
            kernels,
            groups,
            [False, True, self._biased],
            self._margin,
        )
        found = found.reshape(*lead, 1, self.rows, -1)
        return torch.cat((found, biases.reshape(*lead, 1, self.rows, 1)), -1) if self._biased else found

    def input_gradient(self, x: Tensor, nodes: Tensor, weights: Tensor) -> Tensor:
        lead = torch.broadcast_shapes(nodes.shape[:-2], weights.shape[:-3])
        count = 1 if prod(weights.shape[:-3]) == 1 else prod(lead)
        maps = self._maps(nodes, lead, count) if count > 1 else self._maps(nodes, (), 1)
        shape, planes = (len(maps), count * self.image[0], *self.image[1:]), self.image[0]
        order = torch.contiguous_format if self.image_planes_first else torch.channels_last
        images = torch.empty(shape, dtype=maps.dtype, device=maps.device, memory_format=order)
        if count > 1:
            weights = weights.expand(*lead, *weights.shape[-3:])
        found, _, _ = self._backward(
            maps, images, self._kernels(weights), count, [True, False, False], self.padding
        )
        found = found.unflatten(1, (count, planes)).movedim(1, 0)  # (count, n, planes, height, width)
        ordered = found if self.image_planes_first else found.movedim(-3, -1)
        return ordered.reshape(*lead, x.shape[-2], self.features_in)

    @property
    def _biased(self) -> bool:
        return self.cols > self.image[0] * self.kernel_size**2

    @property
    def _margin(self) -> int:
        """The padding that torch adds, which is 0."""
        return 0 if self.layer.padding_value else self.padding

    def _padded(self, images: Tensor) -> Tensor:
        value = self.layer.padding_value
        return functional.pad(images, (self.padding,) * 4, value=value) if value else images

    def _kernels(self, weights: Tensor) -> Tensor:
        """(..., 1, rows, cols) -> (n * rows, planes, kernel_size, kernel_size)"""
        size, planes = self.kernel_size, self.image[0]
        return weights[..., : planes * size**2].reshape(-1, planes, size, size)

    def _images(self, x: Tensor, lead: tuple[int, ...], count: int) -> tuple[Tensor, int]:
        """The images (n, groups * planes, height, width) of x (..., batch, features_in), and the groups.

        Without `lead` all leading axes count as examples, and there is one group.
        """
        planes, height, width = self.image
        if lead:
            x = x.expand(*lead, *x.shape[-2:]).reshape(count, *x.shape[-2:]).transpose(0, 1)
        shape = (planes, height, width) if self.image_planes_first else (height, width, planes)
        images = x.reshape(-1, count, *shape)
        images = images if self.image_planes_first else images.movedim(-1, -3)
        return images.flatten(1, 2).contiguous(memory_format=torch.channels_last), count  # twice as fast

    def _maps(self, nodes: Tensor, lead: tuple[int, ...], count: int) -> Tensor:
        """Nodes (..., batch, features) as (n, count * rows, down, across)."""
        down = (self.image[1] + 2 * self.padding - self.kernel_size) // self.stride + 1
        if lead:
            nodes = nodes.expand(*lead, *nodes.shape[-2:]).reshape(count, *nodes.shape[-2:]).transpose(0, 1)
        if self.layer.planes_first:
            return nodes.reshape(-1, count * self.rows, down, self.layer.sites // down)
        return (
            nodes.reshape(-1, count, down, self.layer.sites // down, self.rows).movedim(-1, -3).flatten(1, 2)
        )

    def _backward(
        self, maps: Tensor, images: Tensor, kernels: Tensor, groups: int, wanted: list[bool], margin: int
    ) -> Any:
        """The gradients at images, kernels and biases, each if it is wanted."""
        return torch.ops.aten.convolution_backward(
            maps,
            images,
            kernels,
            [len(kernels)],
            [self.stride] * 2,
            [margin] * 2,
            [1, 1],
            False,
            [0, 0],
            groups,
            wanted,
        )


def conv2d(
    image: tuple[int, int, int],  # planes, height, width
    channels: int,
    kernel_size: int,
    *,
    stride: int = 1,
    padding: int = 0,
    padding_value: float = 0.0,
    biases: str = "shared",
    groups: Sequence[Sequence[int]] | None = None,
    linear: bool = False,
    planes_first: bool = True,
    image_planes_first: bool = True,
) -> Convolution | Sites:
    """A convolution over (planes, height, width).

    Args:
        channels: planes that come out.
        padding: pixels on every side, holding `padding_value`.
        biases: "shared" (one per channel), "per-site" (one per channel and site) or "none".
        groups: for each group of channels the input planes that it sees; one tile per group,
            channels divided evenly. None: one group that sees all planes.
        planes_first: whether features are ordered planes first, as images are, or sites first, which takes
            less time.
        image_planes_first: whether what comes in is ordered so.

    Returns:
        A `Convolution` where one tile serves all planes and sites, else `Sites`.

    Raises:
        ValueError: sizes below 1, a kernel larger than the image, other biases, or uneven groups.
    """
    sites = sites_of_image(
        image,
        channels,
        kernel_size,
        stride=stride,
        padding=padding,
        padding_value=padding_value,
        biases=biases,
        groups=groups,
        linear=linear,
        planes_first=planes_first,
        image_planes_first=image_planes_first,
    )
    if groups is not None or biases == "per-site":
        return sites
    return Convolution(sites, image, channels, kernel_size, stride, padding, image_planes_first)
