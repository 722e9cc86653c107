"""Mismatch that is correlated over the wafer: near cells are alike, far ones are not.

Law: the gain of the cell at (i, j) of a tile is exp(across_j + down_i), two stationary Gaussian processes
with standard deviation `gain_dtod` and correlation exp(-distance / correlation_length), drawn at birth. Where
this falls short: the field is separable, so that a reading costs two scalings instead of a second array of
weights; correlation between tiles and chips is left out. Guess: both magnitudes.
"""

import math
from dataclasses import dataclass
from math import inf
from typing import Generic, NamedTuple

import torch
from torch import Tensor

from ..device import Device, S
from ..randomness import Fabrication, Noise
from ..settings import setting
from .effect import Effect


class WaferCells(NamedTuple, Generic[S]):
    cells: S
    across: Tensor  # (*fleet, tiles, 1, cols), gain of each input line
    down: Tensor  # (*fleet, tiles, 1, rows), gain of each output line

    @property
    def knobs(self) -> Tensor:
        return self.cells.knobs


@dataclass(frozen=True)
class Wafer(Effect[WaferCells[S], S]):
    """Any device with smooth gain over its array. Valid for gain_dtod up to 1."""

    one_way = True

    device: Device[S]
    gain_dtod: float = setting(0.1, "sd of ln(gain) between cells, each way", range=(0, 1))
    correlation_length: float = setting(
        50.0, "distance over which correlation falls to 1/e", unit="cells", range=(0, inf), closed="neither"
    )

    def inner(self, cells: WaferCells[S]) -> S:
        return cells.cells

    def outer(self, cells: WaferCells[S], inner: S) -> WaferCells[S]:
        return cells._replace(cells=inner)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> WaferCells[S]:
        return WaferCells(
            self.device.fabricate(rows, cols, birth),
            (self.gain_dtod * correlated(birth.normal("across", 1, cols), self.correlation_length)).exp(),
            (self.gain_dtod * correlated(birth.normal("down", 1, rows), self.correlation_length)).exp(),
        )

    def collect(self, cells: WaferCells[S], x: Tensor, noise: Noise) -> Tensor:
        return self.device.collect(cells.cells, x * cells.across, noise) * cells.down


def correlated(fresh: Tensor, length: float) -> Tensor:
    """Standard normals with correlation exp(-distance / length) along the last axis, (..., cells).

    Made from fresh ones of the same shape one by one, since a product with a matrix would not be bitwise the
    same for a fleet and for one chip.
    """
    kept = math.exp(-1 / length)
    walk = list(fresh.unbind(-1))
    for i in range(1, len(walk)):
        walk[i] = kept * walk[i - 1] + (1 - kept**2) ** 0.5 * walk[i]
    return torch.stack(walk, -1)
