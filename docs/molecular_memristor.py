"""A device as a user writes one: the molecular memristor of Sharma et al., Nature 633, 560 (2024).

`python -m studies zoo --devices docs.molecular_memristor:MolecularMemristor` trains it beside the others;
from the folder of a file of your own it is `--devices molecular_memristor:MolecularMemristor`.

Measured (abstract): a ruthenium complex with an azo-aromatic ligand has 16,520 conductance levels, updated
linearly and symmetrically or written in one step; a 64 x 64 crossbar multiplies with a signal-to-noise ratio
above 73 dB. Guess: the ratio refers to 64 inputs at full scale; a step's own error is half a level; cells
differ in their gain by 5 %; costs are the toolkit's defaults. One cell against a fixed reference, -1 to 1.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from analog import Costs
from analog import Device
from analog import Fabrication
from analog import Noise


class Cells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)
    gain: Tensor  # (*fleet, tiles, rows, cols)


@dataclass(frozen=True)
class MolecularMemristor(Device[Cells]):
    step: float = 2 / 16_519  # full scale, from one level to the next
    step_error: float = 0.5  # sd of an update's error, in steps
    gain_spread: float = 0.05  # relative sd between cells
    read_noise: float = 64 * 10 ** (-73 / 20)  # V rms, white noise of every reading

    @property
    def costs(self) -> Costs:
        return Costs(step=self.step)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> Cells:
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(-1, 1)
        return Cells(knobs, 1 + self.gain_spread * birth.normal("gain", rows, cols))

    def pulse(self, cells: Cells, drive: Tensor, noise: Noise) -> Cells:
        count = noise.stochastic_round(drive.abs() / self.step)  # a fraction of a step by chance
        moved = drive.sign() * count + self.step_error * noise.normal(drive) * (count > 0)
        return cells._replace(knobs=(cells.knobs + self.step * moved).clamp(-1, 1))

    def collect(self, cells: Cells, x: Tensor, noise: Noise) -> Tensor:
        return x @ (cells.gain * cells.knobs).mT

    def sense(self, cells: Cells, u: Tensor, noise: Noise) -> Tensor:
        return u + self.read_noise * noise.normal(u)

    def fire(self, cells: Cells, u: Tensor, noise: Noise) -> Tensor:
        return u.relu()
