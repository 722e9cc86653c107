"""Every weight as the difference of two cells of any technology, driven in opposition.

Law: weight = plus - minus; a drive moves one by half of it and the other by minus half, and so does a probe.
Both are cells of their own, born, pulsed and aged apart; the amplifier and the neuron are those of the first.
"""

from dataclasses import dataclass, replace
from typing import Generic, NamedTuple

from torch import Tensor

from ..costs import Costs
from ..device import Device, S
from ..randomness import Fabrication, Noise
from .effect import Effect


class PairedCells(NamedTuple, Generic[S]):
    plus: S
    minus: S

    @property
    def knobs(self) -> Tensor:
        return self.plus.knobs - self.minus.knobs


@dataclass(frozen=True)
class DifferentialPair(Effect[PairedCells[S], S]):
    """Any device in pairs: common errors cancel, others add up, and a reading costs two."""

    one_way = True

    device: Device[S]

    @property
    def costs(self) -> Costs:
        one = self.device.costs
        # a difference is taken before it is converted, so converters are not doubled
        writes = one.pulse_joules if one.step else 2 * one.pulse_joules  # a shaped pulse on each of two cells
        return replace(one, array_joules=2 * one.array_joules, pulse_joules=writes)

    def inner(self, cells: PairedCells[S]) -> S:
        return cells.plus

    def outer(self, cells: PairedCells[S], inner: S) -> PairedCells[S]:
        return cells._replace(plus=inner)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PairedCells[S]:
        return PairedCells(
            self.device.fabricate(rows, cols, birth), self.device.fabricate(rows, cols, birth.scoped("minus"))
        )

    def pulse(self, cells: PairedCells[S], drive: Tensor, noise: Noise) -> PairedCells[S]:
        half = drive / 2
        return PairedCells(
            self.device.pulse(cells.plus, half, noise), self.device.pulse(cells.minus, -half, noise)
        )

    def perturb(self, cells: PairedCells[S], offset: Tensor) -> PairedCells[S]:
        half = offset / 2
        return PairedCells(self.device.perturb(cells.plus, half), self.device.perturb(cells.minus, -half))

    def collect(self, cells: PairedCells[S], x: Tensor, noise: Noise) -> Tensor:
        return self.device.collect(cells.plus, x, noise) - self.device.collect(cells.minus, x, noise)

    def age(self, cells: PairedCells[S], seconds: float, noise: Noise) -> PairedCells[S]:
        return PairedCells(
            self.device.age(cells.plus, seconds, noise), self.device.age(cells.minus, seconds, noise)
        )

    def bounds(self, cells: PairedCells[S]) -> tuple[Tensor, Tensor] | None:
        plus, minus = self.device.bounds(cells.plus), self.device.bounds(cells.minus)
        if plus is None or minus is None:
            return None
        return plus[0] - minus[1], plus[1] - minus[0]

    def worn_out(self, cells: PairedCells[S]) -> Tensor | None:
        plus, minus = self.device.worn_out(cells.plus), self.device.worn_out(cells.minus)
        return plus if minus is None or plus is None else plus | minus
