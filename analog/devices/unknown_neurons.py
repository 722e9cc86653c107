"""Neurons whose response nobody wrote down: Hinton's case for learning without a forward model.

G. Hinton, "The forward-forward algorithm", 2022, section 9 (mortal computation): hardware whose properties
differ from copy to copy and are unknown can be used if the learner does not need them. Guess: everything
else; there is no product behind it.

Law: every neuron has a smooth, strictly increasing curve of its own,
f(u) = .05 u + sum over k of height_k * (tanh((u - centre_k) / width_k) + tanh(centre_k / width_k)),
so f(0) = 0, with heights and widths lognormal and centres normal around zero (`strangeness` scales their
spreads; 0 makes all neurons alike). Cells are plain; setting one misses in proportion to the change.
Valid for 0 <= strangeness <= 2.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Fabrication
from ..randomness import Noise

BENDS = 3  # terms of each curve
SLOPE = 0.05  # of what never saturates


class UnknownCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)
    height: Tensor  # (*fleet, tiles, BENDS, rows)
    centre: Tensor  # (*fleet, tiles, BENDS, rows)
    width: Tensor  # (*fleet, tiles, BENDS, rows)


@dataclass(frozen=True)
class UnknownNeurons(Device[UnknownCells]):
    """Plain cells, strange neurons."""

    strangeness: float = 1.0
    write_noise: float = 0.05  # sd of a pulse's relative error
    read_noise: float = 0.02  # V rms, white noise of every reading

    def __post_init__(self) -> None:
        if not 0 <= self.strangeness <= 2:
            raise ValueError(f"UnknownNeurons: strangeness is {self.strangeness}, valid from 0 to 2")
        if not all(0 <= s < float("inf") for s in (self.write_noise, self.read_noise)):
            raise ValueError(f"UnknownNeurons: noise is finite and at least 0, got {self}")

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> UnknownCells:
        s = self.strangeness
        return UnknownCells(
            knobs=birth.normal("knobs", rows, cols) / cols**0.5,
            height=(0.5 * s * birth.normal("height", BENDS, rows)).exp() / BENDS,
            centre=s * birth.normal("centre", BENDS, rows),
            width=(0.4 * s * birth.normal("width", BENDS, rows)).exp(),
        )

    def pulse(self, cells: UnknownCells, drive: Tensor, noise: Noise) -> UnknownCells:
        missed = torch.addcmul(drive, drive, noise.normal(drive), value=self.write_noise)
        return cells._replace(knobs=cells.knobs + missed)

    def collect(self, cells: UnknownCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.knobs.mT

    def sense(self, cells: UnknownCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: UnknownCells, u: Tensor, noise: Noise) -> Tensor:
        del noise  # entered at the amplifier
        out = SLOPE * u
        for k in range(BENDS):
            height, centre, width = (c[..., k : k + 1, :] for c in (cells.height, cells.centre, cells.width))
            out = out + height * (((u - centre) / width).tanh() + (centre / width).tanh())
        return out
