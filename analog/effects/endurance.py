"""Cells that wear out: each survives a number of pulses of its own, then sticks.

Law: a cell's endurance is lognormal, pulses * exp(pulses_dtod * xi), at least one. Every pulse sent to
it counts, those of `program` too. Past its endurance a cell is stuck at the knob it then has: neither
pulses nor the additive input of a probe move it any more (it may still drift). Where a train of pulses
crosses the end, the cell gets the share of the train that it can still take. A layer of which more than
`dead_share` of the cells are stuck brings its chip to its end.

Provenance. Guess: 1e6 pulses, the round figure most often given for filamentary resistive memory (published
arrays span about 1e4 to 1e12, by technology and by size of the step); Guess: the spread of about half a
decade and the tenth of dead cells. Valid for 1 <= pulses <= 1e15, 0 <= pulses_dtod <= 3, 0 <= dead_share < 1.
"""

from dataclasses import dataclass
from typing import Any, Generic, NamedTuple

from torch import Tensor

from ..device import Device, S
from ..randomness import Fabrication, Noise
from ..settings import setting
from .effect import Effect

MOST = 1e30  # pulses of a train; the largest drives would come to more than a number can say


class EnduranceCells(NamedTuple, Generic[S]):
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
class Endurance(Effect[EnduranceCells, Any]):
    """Any device, with an end."""

    device: Device  # what wears
    pulses: float = setting(1e6, "that a cell survives, the median over cells", range=(1, 1e15))
    pulses_dtod: float = setting(1.0, "sd of ln(pulses) between cells", range=(0, 3))
    dead_share: float = setting(
        0.1, "of a layer's cells; more stuck ones than that are the end", range=(0, 1), closed="left"
    )

    def inner(self, cells: EnduranceCells) -> Any:
        return cells.inner

    def outer(self, cells: EnduranceCells, inner: Any) -> EnduranceCells:
        return cells._replace(inner=inner)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> EnduranceCells:
        inner = self.device.fabricate(rows, cols, birth)
        drawn = (self.pulses_dtod * birth.normal("endurance", rows, cols).double()).exp() * self.pulses
        return EnduranceCells(inner, drawn.new_zeros(drawn.shape), drawn.round().clamp(min=1))

    def pulse(self, cells: EnduranceCells, drive: Tensor, noise: Noise) -> EnduranceCells:
        sent = self.costs.pulses(drive).double().clamp(max=MOST)
        left = (cells.endurance - cells.used).clamp(min=0)
        share = (left / sent.clamp(min=1e-9)).clamp(max=1)  # of the train that the cell can still take
        inner = self.device.pulse(cells.inner, drive * share.to(drive.dtype), noise)
        return EnduranceCells(inner, cells.used + sent, cells.endurance)

    def perturb(self, cells: EnduranceCells, offset: Tensor) -> EnduranceCells:
        return cells._replace(inner=self.device.perturb(cells.inner, offset * ~cells.worn))

    def worn_out(self, cells: EnduranceCells) -> Tensor:
        over = cells.worn.double().mean((-3, -2, -1)) > self.dead_share
        also = self.device.worn_out(cells.inner)
        return over if also is None else over | also
