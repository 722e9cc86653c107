"""Crossbars of limited size: a larger layer is split, and partial sums are digitised and added.

Law: every tile of the layer becomes a grid of crossbars of at most rows x cols cells, each fabricated with
birth, amplifiers and neurons of its own. A reading drives all crossbars of a grid row with their share of the
inputs, senses and converts each (`output_bits`, `output_range`), and adds up what belongs to one output
digitally. So the device's amplifier noise enters once for every crossbar, a probe at the nodes is added to
the digital sum, and the neuron of an output is that of the first crossbar in its row. Cells that pad the
last crossbars are never driven and belong to nobody's knobs.
"""

from dataclasses import dataclass
from math import inf
from typing import Generic, NamedTuple

from torch import Tensor
from torch.nn.functional import pad

from ..device import Device, S
from ..randomness import Fabrication, Noise
from ..settings import setting
from .converters import convert
from .effect import Effect


class TiledCells(NamedTuple, Generic[S]):
    cells: S  # tiles * down * across crossbars
    knobs: Tensor  # (*fleet, tiles, rows, cols), put together


@dataclass(frozen=True)
class Tiled(Effect[TiledCells[S], S]):
    """Any device in crossbars of at most rows x cols cells."""

    one_way = True

    device: Device[S]
    rows: int = setting(256, "most outputs of a crossbar", range=(1, inf))
    cols: int = setting(256, "most inputs of a crossbar", range=(1, inf))
    output_bits: int | None = setting(9, "of the converter behind each crossbar", range=(2, 16))
    output_range: float = setting(
        20.0, "largest output on either side", unit="V", range=(0, inf), closed="neither", fitted=False
    )

    def inner(self, cells: TiledCells[S]) -> S:
        return cells.cells

    def outer(self, cells: TiledCells[S], inner: S) -> TiledCells[S]:
        if inner is cells.cells:
            return cells
        return TiledCells(inner, self._joined(inner.knobs, *cells.knobs.shape[-2:]))

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> TiledCells[S]:
        down, across = self._grid(rows, cols)
        tall, wide = -(-rows // down), -(-cols // across)
        cells = self.device.fabricate(tall, wide, birth.subdivided(down * across))
        return TiledCells(cells, self._joined(cells.knobs, rows, cols))

    def pulse(self, cells: TiledCells[S], drive: Tensor, noise: Noise) -> TiledCells[S]:
        return super().pulse(cells, self._parted(drive), noise)

    def perturb(self, cells: TiledCells[S], offset: Tensor) -> TiledCells[S]:
        return super().perturb(cells, self._parted(offset))

    def collect(self, cells: TiledCells[S], x: Tensor, noise: Noise) -> Tensor:
        rows, cols = cells.knobs.shape[-2:]
        down, across = self._grid(rows, cols)
        wide = -(-cols // across)
        shares = pad(x, (0, wide * across - cols)).unflatten(-1, (across, wide)).transpose(-3, -2)
        driven = shares.unsqueeze(-4).expand(*shares.shape[:-3], down, *shares.shape[-3:]).flatten(-5, -3)
        partial = self.device.sense(cells.cells, self.device.collect(cells.cells, driven, noise), noise)
        digital = convert(partial, self.output_bits, self.output_range, noise)
        return self._side_by_side(digital.unflatten(-3, (-1, down, across)).sum(-3), rows)

    def sense(self, cells: TiledCells[S], u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # every crossbar has sensed its own part
        return u

    def fire(self, cells: TiledCells[S], u: Tensor, noise: Noise) -> Tensor:
        rows, cols = cells.knobs.shape[-2:]
        down, across = self._grid(rows, cols)
        tall = -(-rows // down)
        parts = pad(u, (0, tall * down - rows)).unflatten(-1, (down, tall)).transpose(-3, -2).unsqueeze(-3)
        each = parts.expand(*parts.shape[:-3], across, *parts.shape[-2:]).flatten(-5, -3)
        fired = self.device.fire(cells.cells, each, noise).unflatten(-3, (-1, down, across))
        return self._side_by_side(fired[..., 0, :, :], rows)

    def bounds(self, cells: TiledCells[S]) -> tuple[Tensor, Tensor] | None:
        parts = self.device.bounds(cells.cells)
        if parts is None:
            return None
        low, high = (self._joined(bound, *cells.knobs.shape[-2:]) for bound in parts)
        return low, high

    def _grid(self, rows: int, cols: int) -> tuple[int, int]:
        """Crossbars down and across."""
        return -(-rows // self.rows), -(-cols // self.cols)

    def _parted(self, whole: Tensor) -> Tensor:  # (..., tiles, rows, cols) -> (..., crossbars, tall, wide)
        rows, cols = whole.shape[-2:]
        down, across = self._grid(rows, cols)
        tall, wide = -(-rows // down), -(-cols // across)
        padded = pad(whole, (0, wide * across - cols, 0, tall * down - rows))
        grid = padded.unflatten(-2, (down, tall)).unflatten(-1, (across, wide))
        return grid.transpose(-3, -2).flatten(-5, -3)

    def _joined(self, parts: Tensor, rows: int, cols: int) -> Tensor:
        """The inverse of `_parted`."""
        grid = parts.unflatten(-3, (-1, *self._grid(rows, cols))).transpose(-3, -2)
        return grid.flatten(-4, -3).flatten(-2)[..., :rows, :cols].contiguous()

    @staticmethod
    def _side_by_side(parts: Tensor, rows: int) -> Tensor:  # (..., tiles, down, n, tall)
        return parts.transpose(-3, -2).flatten(-2)[..., :rows]  # (..., tiles, n, rows)
