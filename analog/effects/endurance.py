"""Cells that wear out: each survives a number of pulses of its own, then sticks.

Law: a cell's endurance is lognormal, endurance * exp(spread * xi) pulses, at least one. Every pulse sent to
it counts, those of `program` too. Past its endurance a cell is stuck at the knob it then has: neither
pulses nor the additive input of a probe move it any more (it may still drift). Where a train of pulses
crosses the end, the cell gets the share of the train that it can still take. A layer of which more than
`dead_share` of the cells are stuck brings its chip to its end.

Provenance. Guess: 1e6 pulses, the round figure most often given for filamentary resistive memory (published
arrays span about 1e4 to 1e12, by technology and by size of the step); Guess: the spread of about half a
decade and the tenth of dead cells. Valid for 1 <= endurance <= 1e15, 0 <= spread <= 3, 0 <= dead_share < 1.
"""

from dataclasses import dataclass
from typing import Any
from typing import Generic
from typing import NamedTuple

from torch import Tensor

from ..device import Device
from ..device import S
from ..randomness import Fabrication
from ..randomness import Noise
from .effect import Effect


class WornCells(NamedTuple, Generic[S]):
    inner: S  # the wrapped device's
    used: Tensor  # pulses sent to each cell, (*fleet, tiles, rows, cols), float64: float32 stops at 1.7e7
    endurance: Tensor  # pulses each cell can take, the same

    @property
    def knobs(self) -> Tensor:
        return self.inner.knobs

    @property
    def worn(self) -> Tensor:  # (*fleet, tiles, rows, cols), bool
        """Which cells are stuck."""
        return self.used >= self.endurance


@dataclass(frozen=True)
class Wearing(Effect[WornCells[Any], Any]):
    """Any device, with an end."""

    device: Device[Any]  # what wears
    endurance: float = 1e6  # pulses, the median over cells
    spread: float = 1.0  # sd of ln(endurance) between cells
    dead_share: float = 0.1  # of a layer's cells; more stuck ones than that are the end

    def __post_init__(self) -> None:
        kept = 1 <= self.endurance <= 1e15 and 0 <= self.spread <= 3 and 0 <= self.dead_share < 1
        if not kept:
            raise ValueError(
                "Wearing: wants 1 <= endurance <= 1e15, 0 <= spread <= 3 and 0 <= dead_share < 1, got "
                f"{self.endurance}, {self.spread}, {self.dead_share}"
            )

    def inner(self, cells: WornCells[Any]) -> Any:
        return cells.inner

    def outer(self, cells: WornCells[Any], inner: Any) -> WornCells[Any]:
        return cells._replace(inner=inner)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> WornCells[Any]:
        inner = self.device.fabricate(rows, cols, birth)
        drawn = (self.spread * birth.normal("endurance", rows, cols).double()).exp() * self.endurance
        return WornCells(inner, drawn.new_zeros(drawn.shape), drawn.round().clamp(min=1))

    def pulse(self, cells: WornCells[Any], drive: Tensor, noise: Noise) -> WornCells[Any]:
        sent = self.costs.pulses(drive).double()
        left = (cells.endurance - cells.used).clamp(min=0)
        share = (left / sent.clamp(min=1e-9)).clamp(max=1)  # of the train that the cell can still take
        inner = self.device.pulse(cells.inner, drive * share.to(drive.dtype), noise)
        return WornCells(inner, cells.used + sent, cells.endurance)

    def nudge(self, cells: WornCells[Any], offset: Tensor) -> WornCells[Any]:
        return cells._replace(inner=self.device.nudge(cells.inner, offset * ~cells.worn))

    def spent(self, cells: WornCells[Any]) -> Tensor:
        over = cells.worn.double().mean((-3, -2, -1)) > self.dead_share
        also = self.device.spent(cells.inner)
        return over if also is None else over | also
