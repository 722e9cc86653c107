"""Tiles used again at several sites of an image: convolutions and patches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from .crossbar import Gathering


@dataclass(frozen=True)
class Sites(Gathering):
    """Tiles used again at several sites of an image, each site wired by a table.

    `table[tile][site][col]` is the input that drives the column: a feature, or one of three constants
    at features_in (1, a bias), features_in + 1 (0) and features_in + 2 (the padding value).
    Features are ordered planes first, as images are, or sites first.
    """

    features_in: int
    rows: int
    table: tuple[tuple[tuple[int, ...], ...], ...] = field(repr=False)
    padding_value: float = 0.0  # of what lies outside the image
    planes_first: bool = True
    linear: bool = False

    @property
    def tiles(self) -> int:
        return len(self.table)

    @property
    def sites(self) -> int:
        return len(self.table[0])

    @property
    def cols(self) -> int:
        return len(self.table[0][0])

    @property
    def features(self) -> int:
        return self.tiles * self.rows * self.sites

    @cached_property
    def _index(self) -> Tensor:
        return torch.tensor(self.table).flatten()

    def gather(self, x: Tensor) -> Tensor:
        constants = x.new_tensor([1.0, 0.0, self.padding_value]).expand(*x.shape[:-1], 3)
        rows = torch.cat((x, constants), -1).flatten(0, -2)  # torch picks from a matrix 5 times as fast
        wired = rows.index_select(-1, self._index.to(x.device))
        wired = wired.view(*x.shape[:-1], self.tiles, self.sites, self.cols)
        return wired.movedim(-3, -4).flatten(-3, -2)

    def ungather(self, z: Tensor) -> Tensor:
        split = z.unflatten(-2, (-1, self.sites)).movedim(-4, -3)  # (..., batch, tiles, sites, cols)
        columns = split.flatten(-3)
        driven = columns.new_zeros(*columns.shape[:-1], self.features_in + 3)  # and the three constants
        return driven.index_add(-1, self._index.to(z.device), columns)[..., : self.features_in]

    def scatter(self, u: Tensor) -> Tensor:
        split = u.unflatten(-2, (-1, self.sites))  # (..., tiles, batch, sites, rows)
        if self.planes_first:
            return split.movedim(-4, -3).transpose(-1, -2).flatten(-3)  # (batch, tiles, rows, sites)
        return split.movedim(-4, -2).flatten(-3)  # (batch, sites, tiles, rows)

    def unscatter(self, y: Tensor) -> Tensor:
        if self.planes_first:
            split = y.unflatten(-1, (self.tiles, self.rows, self.sites)).transpose(-1, -2)
            return split.movedim(-3, -4).flatten(-3, -2)
        return y.unflatten(-1, (self.sites, self.tiles, self.rows)).movedim(-2, -4).flatten(-3, -2)


def sites_of_image(
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
) -> Sites:
    """The sites of a convolution over an image, wired one by one; arguments are those of `conv2d`.

    Raises:
        ValueError: as `conv2d`.
    """
    planes, height, width = _image("conv2d", image)
    _require_sizes(channels, kernel_size, stride, padding)
    if biases not in ("shared", "per-site", "none"):
        raise ValueError(f"conv2d: biases are 'shared', 'per-site' or 'none', got {biases!r}")
    groups_of_planes = _input_planes(planes, channels, groups)
    down, across = ((side + 2 * padding - kernel_size) // stride + 1 for side in (height, width))
    if min(down, across) < 1:
        raise ValueError(f"conv2d: kernel_size {kernel_size}, stride {stride} leave no site of image {image}")
    corners = [(i * stride - padding, j * stride - padding) for i in range(down) for j in range(across)]
    always_on = _always_on(biases, planes * height * width, len(corners))
    steps = (height * width, width, 1) if image_planes_first else (1, width * planes, planes)
    table = tuple(
        tuple(
            (*_receptive_field(image, group, corner, kernel_size, steps), *always_on[site])
            for site, corner in enumerate(corners)
        )
        for group in groups_of_planes
    )
    rows = channels // len(groups_of_planes)
    return Sites(planes * height * width, rows, table, padding_value, planes_first, linear)


def _require_sizes(channels: int, kernel_size: int, stride: int, padding: int) -> None:
    if min(channels, kernel_size, stride) < 1 or padding < 0:
        raise ValueError(
            f"conv2d: channels {channels}, kernel_size {kernel_size}, stride {stride} below 1, "
            f"or padding {padding} below 0"
        )


def _receptive_field(
    image: tuple[int, int, int],
    group: Sequence[int],
    corner: tuple[int, int],
    size: int,
    steps: tuple[int, int, int],  # from a plane, a row, a column to the next
) -> list[int]:
    """The numbers of the inputs under a kernel; what lies outside the image is the padding value."""
    planes, height, width = image
    outside = planes * height * width + 2
    (top, left), field = corner, []
    for plane in group:
        for y in range(top, top + size):
            for x in range(left, left + size):
                inside = 0 <= y < height and 0 <= x < width
                number = plane * steps[0] + y * steps[1] + x * steps[2]
                field.append(number if inside else outside)
    return field


def _always_on(biases: str, one: int, sites: int) -> list[list[int]]:
    """The numbers of the inputs that drive the bias columns of each site: 1 (`one`), or 0 after it."""
    if biases == "per-site":
        return [[one if s == site else one + 1 for s in range(sites)] for site in range(sites)]
    return [[one] * (biases == "shared")] * sites


def patches(
    image: tuple[int, int, int],  # planes, height, width
    size: int,
    features: int,
    *,
    shared: bool = True,
    bias: bool = True,
    linear: bool = False,
) -> Sites:
    """Non-overlapping square patches, each to `features` units; features ordered patch by patch.

    Args:
        shared: True shares one tile between the patches; False gives every patch a tile of its own.

    Raises:
        ValueError: the size does not divide the image.
    """
    planes, height, width = _image("patches", image)
    if size < 1 or height % size or width % size:
        raise ValueError(f"patches: size {size} does not divide an image of {height} x {width}")
    biases = "shared" if bias else "none"
    sites = sites_of_image(image, features, size, stride=size, biases=biases).table[0]
    table = (sites,) if shared else tuple((site,) for site in sites)
    return Sites(planes * height * width, features, table, planes_first=False, linear=linear)


def _input_planes(planes: int, channels: int, groups: Sequence[Sequence[int]] | None) -> list[list[int]]:
    """The input planes of each group of channels."""
    lists = [list(range(planes))] if groups is None else [list(g) for g in groups]
    if not lists or channels % len(lists) or len({len(g) for g in lists}) != 1 or not lists[0]:
        raise ValueError(f"conv2d: {channels} channels over {len(lists)} groups, which must be equal in size")
    if any(not 0 <= p < planes for g in lists for p in g):
        raise ValueError(f"conv2d: groups {lists} name a plane outside 0..{planes - 1}")
    return lists


def _image(name: str, image: Sequence[int]) -> tuple[int, int, int]:
    if len(image) != 3 or min(image) < 1:
        raise ValueError(f"{name}: image is (planes, height, width), each at least 1, got {image}")
    planes, height, width = image
    return planes, height, width
