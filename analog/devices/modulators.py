"""A bank of thermally tuned Mach-Zehnder modulators: optical weights that warm their neighbors.

Shen et al., "Deep learning with coherent nanophotonic circuits", Nature Photonics 11 (2017),
https://doi.org/10.1038/nphoton.2017.93: setting a phase
misses by about 5e-3 rad, detection by about .1 % of full scale (the values of their error analysis).
Guess: every modulator's phase is off by .05 rad from fabrication (trimmed, not calibrated); a heater warms
each of its four nearest neighbors by 1 % of its own effect, the order reported for heaters without
trenches or calibration; amplifiers and everything else are alike.

Law: the knob sets a heater, phase = (pi/2) * (own knob + crosstalk * sum of the neighbors' knobs) + offset;
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
from ..measurement import MeasurementPlan
from ..randomness import Fabrication, Noise
from ..settings import setting


class ModulatorCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), heater settings
    weights: Tensor  # sin(phase)
    offset: Tensor  # rad


@dataclass(frozen=True)
class ModulatorBank(Device[ModulatorCells]):
    """Sine weights with neighbors in reach of each other's heat. Costs: Guess, the defaults."""

    crosstalk: float = setting(
        0.01, "share of a heater's own effect on each of four neighbors", range=(0, 0.1), closed="left"
    )
    offset_dtod: float = setting(
        0.05, "sd of the phase offset between modulators", unit="rad", range=(0, 1), closed="left"
    )
    programming_error: float = setting(5e-3, "sd of setting a phase", unit="rad", range=(0, 1), closed="left")
    read_noise: float = setting(
        1e-3,
        "white noise of every detection, in outputs of one input at full scale through a full weight",
        unit="full scale rms",
        range=(0, 1),
        closed="left",
    )

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> ModulatorCells:
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(-1, 1)
        offset = self.offset_dtod * birth.normal("offset", rows, cols)
        return self._with_weights(ModulatorCells(knobs, knobs, offset))

    def pulse(self, cells: ModulatorCells, drive: Tensor, noise: Noise) -> ModulatorCells:
        error = self.programming_error / (math.pi / 2) * noise.normal(drive)
        reached = (cells.knobs + drive + error).clamp(-1, 1)
        return self._with_weights(cells._replace(knobs=torch.where(drive != 0, reached, cells.knobs)))

    def perturb(self, cells: ModulatorCells, offset: Tensor) -> ModulatorCells:
        return self._with_weights(cells._replace(knobs=cells.knobs + offset))

    def collect(self, cells: ModulatorCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the detector
        return x @ cells.weights.mT

    def weights(self, cells: ModulatorCells) -> Tensor:
        return cells.weights

    def sense(self, cells: ModulatorCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # detectors are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: ModulatorCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are electronic and alike
        return u.relu()

    def _with_weights(self, cells: ModulatorCells) -> ModulatorCells:
        """The cells with the weights that their phases come to, so that a reading is one product."""
        heat = torch.add(cells.knobs, neighbor_sum(cells.knobs), alpha=self.crosstalk)
        return cells._replace(weights=(heat * (math.pi / 2) + cells.offset).sin())

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Every other modulator keeps its target while its neighbors go from end to end and back."""
        restless = torch.tensor([0.8, 0.8, -0.8, -0.8, 0.8, 0.8, -0.8, -0.8], dtype=torch.float64)
        actions = torch.stack([restless, torch.full_like(restless, 0.2)]).repeat(cells // 2 + 1, 1)[:cells]
        return MeasurementPlan("target", actions, (0.0, 1.0) * 4, (1.0,) * 8)


def neighbor_sum(heat: Tensor) -> Tensor:  # (..., rows, cols) -> the same
    """The sum over each cell's four neighbors; there is none beyond the edge."""
    wide, tall = pad(heat, (1, 1)), pad(heat, (0, 0, 1, 1))
    return wide[..., :-2] + wide[..., 2:] + tall[..., :-2, :] + tall[..., 2:, :]
