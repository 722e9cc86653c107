"""Analog cells and neurons that differ from copy to copy in ways nobody outside knows.

Not one product but the common ground of mixed-signal crossbars: lognormal gain spread of conductance
cells, additive leakage offsets, compressive cells, amplifiers with gain and offset error, neurons that
bend differently, white reading noise. Guess: the magnitudes at severity 1; gain errors of tens of per
cent per cell and of about ten per cent per amplifier are what uncalibrated subthreshold arrays show.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Fabrication, Noise
from ..settings import setting
from .saturation import tanh


class MismatchedCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)
    weights: Tensor  # what the knobs come to: gain * tanh(knobs) + offset
    gain: Tensor  # (*fleet, tiles, rows, cols)
    offset: Tensor  # (*fleet, tiles, rows, cols)
    amplifier_gain: Tensor  # (*fleet, tiles, 1, rows)
    amplifier_offset: Tensor  # (*fleet, tiles, 1, rows), V
    curvature: Tensor  # (*fleet, tiles, 1, rows), of the neuron, 1/V


@dataclass(frozen=True)
class Mismatched(Device[MismatchedCells]):
    """Cells gain * tanh(knob) + offset, amplifiers gain * u + offset + read noise, neurons with
    v / (1 + curvature * v) for v > 0 and else 0.

    With severity 0 every cell and neuron is nominal. Valid for 0 <= severity <= 3.
    """

    severity: float = setting(
        1.0, "factor on every spread between cells, amplifiers and neurons", range=(0, 3), fitted=False
    )
    gain_dtod: float = setting(0.4, "sd of ln(cell gain) at severity 1", range=(0, inf))
    offset_dtod: float = setting(
        0.05, "sd of the cell offset at severity 1", unit="full scale", range=(0, inf)
    )
    amplifier_gain_dtod: float = setting(0.2, "sd of ln(amplifier gain) at severity 1", range=(0, inf))
    amplifier_offset_dtod: float = setting(
        0.2, "sd of the amplifier offset at severity 1", unit="V", range=(0, inf)
    )
    mean_curvature: float = setting(
        0.1, "mean of the exponentially spread curvature at severity 1", unit="1/V", range=(0, inf)
    )
    read_noise: float = setting(0.02, "white noise of every reading", unit="V rms", range=(0, inf))
    write_noise: float = setting(0.05, "sd of a pulse's relative error", range=(0, inf))

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> MismatchedCells:
        s = self.severity
        knobs = birth.normal("knobs", rows, cols) / cols**0.5
        cells = MismatchedCells(
            knobs=knobs,
            weights=knobs,  # until it is known what they come to
            gain=(s * self.gain_dtod * birth.normal("gain", rows, cols)).exp(),
            offset=s * self.offset_dtod * birth.normal("offset", rows, cols),
            amplifier_gain=(s * self.amplifier_gain_dtod * birth.normal("amp", 1, rows)).exp(),
            amplifier_offset=s * self.amplifier_offset_dtod * birth.normal("zero", 1, rows),
            curvature=-s * self.mean_curvature * torch.log1p(-birth.uniform("bend", 1, rows)),
        )
        return _with_knobs(cells, knobs)

    def pulse(self, cells: MismatchedCells, drive: Tensor, noise: Noise) -> MismatchedCells:
        actual = torch.addcmul(drive, drive, noise.normal(drive), value=self.write_noise)
        return _with_knobs(cells, cells.knobs + actual)

    def perturb(self, cells: MismatchedCells, offset: Tensor) -> MismatchedCells:
        return _with_knobs(cells, cells.knobs + offset)

    def collect(self, cells: MismatchedCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.weights.mT

    def weights(self, cells: MismatchedCells) -> Tensor:
        return cells.weights

    def sense(self, cells: MismatchedCells, u: Tensor, noise: Noise) -> Tensor:
        amplified = torch.addcmul(cells.amplifier_offset, u, cells.amplifier_gain)
        return amplified.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: MismatchedCells, u: Tensor, noise: Noise) -> Tensor:
        del noise  # entered at the amplifier
        v = u.relu()
        return v / torch.addcmul(v.new_ones(()), v, cells.curvature)


def _with_knobs(cells: MismatchedCells, knobs: Tensor) -> MismatchedCells:
    """The cells with other knobs, and the weights that these come to, so that a reading is one product."""
    return cells._replace(knobs=knobs, weights=torch.addcmul(cells.offset, cells.gain, tanh(knobs)))
