"""Digital wiring around a bank of equal crossbar tiles; pure and known to everybody.

A layer gathers each tile's inputs from the activity of the layer before and scatters the tiles'
outputs into the activity of the next. A bank of tiles is one batched product, whatever the wiring:
(*fleet, tiles, batch*sites, cols) @ (*fleet, tiles, cols, rows).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor


class Layer(Protocol):
    """Wiring of one bank of tiles.

    `cols` count the always-on inputs (biases); `features` = tiles * rows * sites.
    """

    @property
    def tiles(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def cols(self) -> int: ...
    @property
    def features_in(self) -> int: ...
    @property
    def features(self) -> int: ...
    @property
    def linear(self) -> bool:
        """True for a read-out: sensed, but not passed through a neuron."""
        ...

    def gather(self, x: Tensor) -> Tensor:
        """(..., batch, features_in) -> (..., tiles, batch*sites, cols)"""
        ...

    def scatter(self, u: Tensor) -> Tensor:
        """(..., tiles, batch*sites, rows) -> (..., batch, features)"""
        ...

    def unscatter(self, y: Tensor) -> Tensor:
        """(..., batch, features) -> (..., tiles, batch*sites, rows); the inverse of scatter."""
        ...


@dataclass(frozen=True)
class Dense:
    """Every input of a group drives every output of that group; one tile per group."""

    features_in: int
    features: int
    tiles: int = 1
    bias: bool = True
    linear: bool = False

    def __post_init__(self) -> None:
        if min(self.features_in, self.features, self.tiles) < 1:
            raise ValueError(f"dense: sizes must be at least 1, got {self}")
        if self.features_in % self.tiles or self.features % self.tiles:
            raise ValueError(
                f"dense: {self.tiles} groups do not divide {self.features_in} inputs "
                f"and {self.features} outputs evenly"
            )

    @property
    def rows(self) -> int:
        return self.features // self.tiles

    @property
    def cols(self) -> int:
        return self.features_in // self.tiles + self.bias

    def gather(self, x: Tensor) -> Tensor:
        wired = x.unflatten(-1, (self.tiles, -1)).transpose(-3, -2) if self.tiles > 1 else x.unsqueeze(-3)
        return torch.cat((wired, wired.new_ones(()).expand(*wired.shape[:-1], 1)), -1) if self.bias else wired

    def scatter(self, u: Tensor) -> Tensor:
        return u.transpose(-3, -2).flatten(-2) if self.tiles > 1 else u.squeeze(-3)

    def unscatter(self, y: Tensor) -> Tensor:
        return y.unflatten(-1, (self.tiles, -1)).transpose(-3, -2) if self.tiles > 1 else y.unsqueeze(-3)


@dataclass(frozen=True)
class Sites:
    """Tiles used again at several sites of an image, each site wired by a table.

    `table[tile][site][col]` is the input that drives the column: a feature, or one of three constants
    at features_in (1, a bias), features_in + 1 (0) and features_in + 2 (the padding value).
    Features are ordered planes first, as images are, or sites first.
    """

    features_in: int
    rows: int
    table: tuple[tuple[tuple[int, ...], ...], ...] = field(repr=False)
    padding: float = 0.0  # value of what lies outside the image
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
        constants = x.new_tensor([1.0, 0.0, self.padding]).expand(*x.shape[:-1], 3)
        rows = torch.cat((x, constants), -1).flatten(0, -2)  # torch picks from a matrix 5 times as fast
        wired = rows.index_select(-1, self._index.to(x.device))
        wired = wired.view(*x.shape[:-1], self.tiles, self.sites, self.cols)
        return wired.movedim(-3, -4).flatten(-3, -2)

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


def dense(features_in: int, features: int, *, bias: bool = True, linear: bool = False) -> Dense:
    """All inputs drive all outputs."""
    return Dense(features_in, features, bias=bias, linear=linear)


def mlp(*widths: int, bias: bool = True) -> tuple[Dense, ...]:
    """A multilayer perceptron: dense layers one after another, the last of them a linear read-out.

    Args:
        widths: of the input, of each hidden layer, and of the output: `mlp(64, 64, 10)` is two layers.
        bias: whether every layer has an input that is always 1.

    Raises:
        ValueError: fewer than two widths.
    """
    if len(widths) < 2:
        raise ValueError(f"mlp: wants the width of the input and that of the output at least, got {widths}")
    *hidden, last = pairwise(widths)
    return (*(dense(a, b, bias=bias) for a, b in hidden), dense(*last, bias=bias, linear=True))


def grouped(
    features_in: int, features: int, groups: int, *, bias: bool = True, linear: bool = False
) -> Dense:
    """`groups` dense tiles side by side, each with its own share of the inputs and outputs."""
    return Dense(features_in, features, tiles=groups, bias=bias, linear=linear)


def conv2d(
    image: tuple[int, int, int],  # planes, height, width
    maps: int,
    kernel: int,
    *,
    stride: int = 1,
    border: int = 0,
    padding: float = 0.0,
    biases: str = "shared",
    groups: Sequence[Sequence[int]] | None = None,
    linear: bool = False,
) -> Sites:
    """A convolution over (planes, height, width), features ordered planes first.

    Args:
        border: pixels of padding on every side, holding the value `padding`.
        biases: "shared" (one per map), "per-site" (one per map and site) or "none".
        groups: for each group of maps the input planes that it sees; one tile per group,
            maps divided evenly. None: one group that sees all planes.
    """
    planes, height, width = _image("conv2d", image)
    if min(maps, kernel, stride) < 1 or border < 0:
        raise ValueError(
            f"conv2d: maps {maps}, kernel {kernel}, stride {stride} below 1, or border {border} below 0"
        )
    if biases not in ("shared", "per-site", "none"):
        raise ValueError(f"conv2d: biases are 'shared', 'per-site' or 'none', got {biases!r}")
    seen = _seen(planes, maps, groups)
    down, across = ((side + 2 * border - kernel) // stride + 1 for side in (height, width))
    if min(down, across) < 1:
        raise ValueError(f"conv2d: kernel {kernel}, stride {stride} leave no site of image {image}")
    one, zero, outside = (planes * height * width + k for k in range(3))

    def source(plane: int, y: int, x: int) -> int:
        inside = 0 <= y < height and 0 <= x < width
        return (plane * height + y) * width + x if inside else outside

    def always_on(site: int) -> list[int]:
        if biases == "per-site":
            return [one if s == site else zero for s in range(down * across)]
        return [one] if biases == "shared" else []

    table = tuple(
        tuple(
            tuple(
                source(p, i * stride - border + dy, j * stride - border + dx)
                for p in group
                for dy in range(kernel)
                for dx in range(kernel)
            )
            + tuple(always_on(i * across + j))
            for i in range(down)
            for j in range(across)
        )
        for group in seen
    )
    return Sites(planes * height * width, maps // len(seen), table, padding, linear=linear)


def patches(
    image: tuple[int, int, int],  # planes, height, width
    size: int,
    features: int,
    *,
    own: bool = False,
    bias: bool = True,
    linear: bool = False,
) -> Sites:
    """Non-overlapping square patches, each to `features` units; features ordered patch by patch.

    Args:
        own: True gives every patch a tile of its own; False shares one tile between them.
    """
    planes, height, width = _image("patches", image)
    if size < 1 or height % size or width % size:
        raise ValueError(f"patches: size {size} does not divide an image of {height} x {width}")
    shared = conv2d(image, features, size, stride=size, biases="shared" if bias else "none").table[0]
    table = tuple((site,) for site in shared) if own else (shared,)
    return Sites(planes * height * width, features, table, planes_first=False, linear=linear)


def _seen(planes: int, maps: int, groups: Sequence[Sequence[int]] | None) -> list[list[int]]:
    """The input planes of each group of maps."""
    seen = [list(range(planes))] if groups is None else [list(g) for g in groups]
    if not seen or maps % len(seen) or len({len(g) for g in seen}) != 1 or not seen[0]:
        raise ValueError(f"conv2d: {maps} maps over {len(seen)} groups, which must be equal in size")
    if any(not 0 <= p < planes for g in seen for p in g):
        raise ValueError(f"conv2d: groups {seen} name a plane outside 0..{planes - 1}")
    return seen


def _image(name: str, image: Sequence[int]) -> tuple[int, int, int]:
    if len(image) != 3 or min(image) < 1:
        raise ValueError(f"{name}: image is (planes, height, width), each at least 1, got {image}")
    planes, height, width = image
    return planes, height, width
