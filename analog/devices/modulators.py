"""A bank of thermally tuned Mach-Zehnder modulators: optical weights that warm their neighbours.

Shen et al., "Deep learning with coherent nanophotonic circuits", Nature Photonics 11 (2017): setting a phase
misses by about 5e-3 rad, detection by about .1 % of full scale (the values of their error analysis).
Guess: every modulator's phase is off by .05 rad from fabrication (trimmed, not calibrated); a heater warms
each of its four nearest neighbours by 1 % of its own effect, the order reported for heaters without
trenches or calibration; amplifiers and everything else are alike.

Law: the knob sets a heater, phase = (pi/2) * (own knob + crosstalk * sum of the neighbours' knobs) + offset;
balanced detection of the two outputs gives weight = sin(phase). Valid for knobs in -1..1 (a heater ends
there), crosstalk below a tenth. A probe adds to the heaters, crosstalk included.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ..device import Device
from ..randomness import Fabrication
from ..randomness import Noise


class ModulatorCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), heater settings
    weights: Tensor  # sin(phase)
    offset: Tensor  # rad


@dataclass(frozen=True)
class ModulatorBank(Device[ModulatorCells]):
    """Sine weights with neighbours in reach of each other's heat. Costs: Guess, the defaults."""

    crosstalk: float = 0.01  # of a heater's own effect, on each of four neighbours
    offset_spread: float = 0.05  # rad, sd between modulators
    miss: float = 5e-3  # rad, sd of setting a phase
    detection_noise: float = 1e-3  # of one input at full scale through a full weight, rms

    def __post_init__(self) -> None:
        if not 0 <= self.crosstalk < 0.1:
            raise ValueError(f"ModulatorBank: crosstalk is {self.crosstalk}, valid from 0 to below .1")
        if not all(0 <= s < 1 for s in (self.offset_spread, self.miss, self.detection_noise)):
            raise ValueError(f"ModulatorBank: spreads and noise lie in [0, 1), got {self}")

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> ModulatorCells:
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(-1, 1)
        offset = self.offset_spread * birth.normal("offset", rows, cols)
        return self._lit(ModulatorCells(knobs, knobs, offset))

    def pulse(self, cells: ModulatorCells, drive: Tensor, noise: Noise) -> ModulatorCells:
        missed = self.miss / (math.pi / 2) * noise.normal(drive)
        set_to = (cells.knobs + drive + missed).clamp(-1, 1)
        return self._lit(cells._replace(knobs=torch.where(drive != 0, set_to, cells.knobs)))

    def perturb(self, cells: ModulatorCells, offset: Tensor) -> ModulatorCells:
        return self._lit(cells._replace(knobs=cells.knobs + offset))

    def collect(self, cells: ModulatorCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the detector
        return x @ cells.weights.mT

    def sense(self, cells: ModulatorCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # detectors are alike
        return u.add(noise.normal(u), alpha=self.detection_noise)

    def fire(self, cells: ModulatorCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are electronic and alike
        return u.relu()

    def _lit(self, cells: ModulatorCells) -> ModulatorCells:
        """Work out the weights once, so that a reading is one product."""
        heat = torch.add(cells.knobs, warmth(cells.knobs), alpha=self.crosstalk)
        return cells._replace(weights=(heat * (math.pi / 2) + cells.offset).sin())


def warmth(heat: Tensor) -> Tensor:
    """The sum over each cell's four neighbours; there is none beyond the edge."""
    wide, tall = pad(heat, (1, 1)), pad(heat, (0, 0, 1, 1))
    return wide[..., :-2] + wide[..., 2:] + tall[..., :-2, :] + tall[..., 2:, :]
