"""Resistors between nodes, diodes at the nodes: chips that relax to the least dissipated power.

Kendall et al. 2020 (https://arxiv.org/abs/2006.01981), in layers as Scellier 2024 simulates them
(https://arxiv.org/abs/2402.11674): a hidden node has a diode to a knee, above which the even ones stay and
below which the odd ones. With conductances g the dissipated power is

    sum over cells g (v_above - v_below)^2 / 2  +  sum over nodes leak v^2 / 2.

Conductances are above 0, so inputs come in pairs (`analog.layers.Paired`). The unit of a knob is
sqrt(3 / cols), without which layers of different sizes want learning rates of their own.

Not one product. Guess: the magnitudes at severity 1.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Fabrication, Noise
from ..settings import setting
from ..spec import Synapse

NO_DIODE = 1e30  # V


class ResistiveCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)
    conductance: Tensor  # (*fleet, tiles, rows, cols), that the knobs come to
    gain: Tensor  # (*fleet, tiles, rows, cols), with the unit of a knob
    leak: Tensor  # (*fleet, tiles, 1, rows), conductance to ground
    low: Tensor  # (*fleet, tiles, 1, rows), V, the lowest state that a diode allows
    high: Tensor  # (*fleet, tiles, 1, rows), V, the highest


@dataclass(frozen=True)
class Resistive(Device[ResistiveCells]):
    """Conductances gain * knob from 0 to 1, between nodes with leaks and diodes.

    With severity 0 every cell and node is nominal. Valid for 0 <= severity <= 3.
    """

    severity: float = setting(
        1.0, "factor on every spread between cells and between nodes", range=(0, 3), fitted=False
    )
    gain_dtod: float = setting(0.4, "sd of ln(cell gain) at severity 1", range=(0, inf))
    leak_mean: float = setting(
        0.02, "mean of the exponentially spread leak at severity 1", unit="full scale", range=(0, inf)
    )
    knee_dtod: float = setting(0.05, "sd of a diode's knee at severity 1", unit="V", range=(0, inf))
    read_noise: float = setting(0.001, "white noise of every reading of a tap", unit="V rms", range=(0, inf))
    write_noise: float = setting(0.05, "sd of a pulse's relative error", range=(0, inf))
    sweeps: int = setting(4, "time constants that a reading waits", range=(1, inf), fitted=False)

    @property
    def settling(self) -> int:
        return self.sweeps

    @property
    def synapse(self) -> Synapse:
        return "difference"

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> ResistiveCells:
        s, knobs = self.severity, birth.uniform("knobs", rows, cols)
        unit = (3 / cols) ** 0.5
        gain = unit * (s * self.gain_dtod * birth.normal("gain", rows, cols)).exp()
        knee = s * self.knee_dtod * birth.normal("knee", 1, rows)
        stays_above = torch.arange(rows, device=knee.device) % 2 == 0
        return ResistiveCells(
            knobs=knobs,
            conductance=gain * knobs,
            gain=gain,
            leak=-s * self.leak_mean * torch.log1p(-birth.uniform("leak", 1, rows)),
            low=torch.where(stays_above, knee, -NO_DIODE),
            high=torch.where(stays_above, NO_DIODE, knee),
        )

    def pulse(self, cells: ResistiveCells, drive: Tensor, noise: Noise) -> ResistiveCells:
        actual = torch.addcmul(drive, drive, noise.normal(drive), value=self.write_noise)
        knobs = (cells.knobs + actual).clamp(0, 1)
        return cells._replace(knobs=knobs, conductance=cells.gain * knobs)

    def perturb(self, cells: ResistiveCells, offset: Tensor) -> ResistiveCells:
        knobs = cells.knobs + offset
        return cells._replace(knobs=knobs, conductance=cells.gain * knobs)

    def collect(self, cells: ResistiveCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters at the converters
        return x @ cells.conductance.mT

    def reflect(self, cells: ResistiveCells, y: Tensor, noise: Noise) -> Tensor:
        del noise  # likewise
        return y @ cells.conductance

    def shunt(self, cells: ResistiveCells) -> tuple[Tensor, Tensor]:
        above = cells.conductance.sum(-1).unsqueeze(-2) + cells.leak
        return above, cells.conductance.sum(-2, keepdim=True)

    def sense(self, cells: ResistiveCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # converters are all alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: ResistiveCells, u: Tensor, noise: Noise) -> Tensor:
        del noise  # entered at the converters
        return u.clamp(cells.low, cells.high)

    def bounds(self, cells: ResistiveCells) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(cells.knobs), torch.ones_like(cells.knobs)
