"""Neurons whose response nobody wrote down: Hinton's case for learning without a forward model.

G. Hinton, "The forward-forward algorithm", 2022, https://arxiv.org/abs/2212.13345, section 9 (mortal
computation): hardware whose properties differ from copy to copy and are unknown can be used if the learner
does not need them. Guess: everything else; there is no product behind it.

Law: every neuron has a smooth, strictly increasing curve of its own,
f(u) = .05 u + sum over k of height_k * (tanh((u - center_k) / width_k) + tanh(center_k / width_k)),
so f(0) = 0, with heights and widths lognormal and centers normal around zero (`strangeness` scales their
spreads; 0 makes all neurons alike). Cells are plain; setting one misses in proportion to the change.
Valid for 0 <= strangeness <= 2.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..measurement import MeasurementPlan
from ..randomness import Fabrication, Noise
from ..settings import setting
from .saturation import tanh

BENDS = 3  # terms of each curve
SLOPE = 0.05  # of what never saturates


class UnknownCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)
    height: Tensor  # (*fleet, tiles, BENDS, rows)
    center: Tensor  # (*fleet, tiles, BENDS, rows)
    width: Tensor  # (*fleet, tiles, BENDS, rows)


@dataclass(frozen=True)
class UnknownNeurons(Device[UnknownCells]):
    """Plain cells, strange neurons."""

    strangeness: float = setting(1.0, "factor on the spreads of the neurons' curves", range=(0, 2))
    write_noise: float = setting(0.05, "sd of a pulse's relative error", range=(0, inf))
    read_noise: float = setting(0.02, "white noise of every reading", unit="V rms", range=(0, inf))

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> UnknownCells:
        s = self.strangeness
        return UnknownCells(
            knobs=birth.normal("knobs", rows, cols) / cols**0.5,
            height=(0.5 * s * birth.normal("height", BENDS, rows)).exp() / BENDS,
            center=s * birth.normal("centre", BENDS, rows),
            width=(0.4 * s * birth.normal("width", BENDS, rows)).exp(),
        )

    def pulse(self, cells: UnknownCells, drive: Tensor, noise: Noise) -> UnknownCells:
        actual = torch.addcmul(drive, drive, noise.normal(drive), value=self.write_noise)
        return cells._replace(knobs=cells.knobs + actual)

    def collect(self, cells: UnknownCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.knobs.mT

    def weights(self, cells: UnknownCells) -> Tensor:
        return cells.knobs

    def sense(self, cells: UnknownCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: UnknownCells, u: Tensor, noise: Noise) -> Tensor:
        del noise  # entered at the amplifier
        steepness = cells.width.reciprocal()
        middle = cells.center * steepness
        out = torch.add((cells.height * middle.tanh()).sum(-2, keepdim=True), u, alpha=SLOPE)
        for k in range(BENDS):
            height, steep, shift = (c[..., k : k + 1, :] for c in (cells.height, steepness, middle))
            out = torch.addcmul(out, height, tanh(torch.addcmul(-shift, u, steep)))
        return out

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """The neurons' own answers over their range."""
        inputs, seconds = (0.0, 0.5, 1.0, 2.0, 4.0) * 2, tuple(0.01 * k for k in range(5)) * 2
        return MeasurementPlan.targets(cells, (-0.6, 0.6), seconds, inputs, "activity")
