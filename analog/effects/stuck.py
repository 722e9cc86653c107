"""Cells that the factory broke: they hold one value for life, whatever is sent.

Guess: the share of broken cells; published yield losses run from below one to thirteen per cent.

Law: each cell is stuck with probability `share`, where the factory left it or, if `at` is given, as near to
that value as the cell can go. No pulse, no erasing and no leakage moves its knob; noise and drift of what
is read from it go on as the device has them. A probe is an analog input beside the cell and still works.
"""

from dataclasses import dataclass
from typing import Generic, NamedTuple

import torch
from torch import Tensor

from ..device import Device, S
from ..randomness import Fabrication, Noise
from ..settings import setting
from .effect import Effect


class StuckCells(NamedTuple, Generic[S]):
    cells: S
    dead: Tensor  # (*fleet, tiles, rows, cols), bool
    stuck_at: Tensor  # where the dead are stuck

    @property
    def knobs(self) -> Tensor:
        return self.cells.knobs


@dataclass(frozen=True)
class Stuck(Effect[StuckCells[S], S]):
    """Any device with stuck cells. Valid for 0 <= share < 1."""

    device: Device[S]
    share: float = setting(0.01, "of cells that are stuck", range=(0, 1), closed="left")
    at: float | None = setting(
        None, "where they are stuck; None: where the factory left them", unit="full scale"
    )

    def inner(self, cells: StuckCells[S]) -> S:
        return cells.cells

    def outer(self, cells: StuckCells[S], inner: S) -> StuckCells[S]:
        return cells._replace(cells=inner)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> StuckCells[S]:
        cells = self.device.fabricate(rows, cols, birth)
        dead = birth.uniform("stuck", rows, cols) < self.share
        if self.at is not None:
            away = torch.where(dead, self.at - cells.knobs, torch.zeros_like(cells.knobs))
            cells = self.device.pulse(cells, away, Noise.none())
        return StuckCells(cells, dead, cells.knobs.clone())

    def pulse(self, cells: StuckCells[S], drive: Tensor, noise: Noise) -> StuckCells[S]:
        alive = torch.where(cells.dead, torch.zeros_like(drive), drive)
        return super().pulse(self._restore(cells), alive, noise)

    def age(self, cells: StuckCells[S], seconds: float, noise: Noise) -> StuckCells[S]:
        aged = super().age(cells, seconds, noise)
        return cells if aged.cells is cells.cells else self._restore(aged)

    def _restore(self, cells: StuckCells[S]) -> StuckCells[S]:
        """Put dead cells back where they are stuck, if somebody erased them or they leaked."""
        knobs = cells.cells.knobs
        gone = torch.where(cells.dead, cells.stuck_at - knobs, torch.zeros_like(knobs))
        rounding = 4 * torch.finfo(knobs.dtype).eps * torch.maximum(knobs.abs(), cells.stuck_at.abs())
        gone = torch.where(gone.abs() > rounding, gone, torch.zeros_like(gone))
        if not bool(gone.any()):
            return cells
        return self.outer(cells, self.device.perturb(cells.cells, gone))
