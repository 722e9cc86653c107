"""A device as a user writes one: the molecular memristor of Sharma et al., Nature 633, 560 (2024).

https://doi.org/10.1038/s41586-024-07902-2

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

from analog import Costs, Device, Fabrication, Noise, setting


class Cells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)
    gain: Tensor  # (*fleet, tiles, rows, cols)


@dataclass(frozen=True)
class MolecularMemristor(Device[Cells]):
    step: float = setting(2 / 16_519, "from one level to the next", unit="full scale", range=(1e-6, 1))
    step_error: float = setting(0.5, "sd of an update's error", unit="steps", range=(0, 10))
    gain_dtod: float = setting(0.05, "relative sd of the gain between cells", range=(0, 1))
    read_noise: float = setting(64 * 10 ** (-73 / 20), "white noise of a reading", unit="V rms", range=(0, 1))

    @property
    def costs(self) -> Costs:
        return Costs(step=self.step)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> Cells:
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(-1, 1)
        return Cells(knobs, 1 + self.gain_dtod * birth.normal("gain", rows, cols))

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
