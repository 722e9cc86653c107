"""A perfect crossbar with rectifying neurons: the digital reference and every other device's limit."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from ..device import Device
from ..randomness import Fabrication, Noise


class IdealCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)


@dataclass(frozen=True)
class Ideal(Device[IdealCells]):
    """Every knob is a weight; nothing is noisy, bounded or worn. Fresh knobs are scattered by
    fan-in, variance 1/cols, so that a fresh chip's activity neither dies nor explodes.
    """

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> IdealCells:
        return IdealCells(birth.normal("knobs", rows, cols) / cols**0.5)

    def pulse(self, cells: IdealCells, drive: Tensor, noise: Noise) -> IdealCells:
        del noise  # ideal devices are noiseless
        return IdealCells(cells.knobs + drive)

    def collect(self, cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # ideal devices are noiseless
        return x @ cells.knobs.mT

    def weights(self, cells: IdealCells) -> Tensor:
        return cells.knobs

    def fire(self, cells: IdealCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # all neurons are alike
        return u.relu()
