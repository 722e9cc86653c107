"""Neurons that drive one another through reciprocal cells, up and down: continuous Hopfield networks.

Hopfield 1984 (https://doi.org/10.1073/pnas.81.10.3088), in layers as Scellier and Bengio 2017 train them
(https://doi.org/10.3389/fncom.2017.00024). With states v, weights w and loads 1 + leak the energy is

    sum over nodes (1 + leak) v^2 / 2 - bias v  -  sum over cells w v_below v_above,  0 <= v <= 1 if hidden.

Not one product. Guess: the magnitudes at severity 1, which are those of `Mismatched`.
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
from .saturation import tanh


class HopfieldCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols)
    up: Tensor  # weights that the knobs come to, from below to above
    down: Tensor  # and from above to below, where the knobs are the same
    gain: Tensor  # (*fleet, tiles, rows, cols)
    offset: Tensor  # (*fleet, tiles, rows, cols)
    skew: Tensor  # (*fleet, tiles, rows, cols), relative
    load: Tensor  # (*fleet, tiles, 1, rows), 1 + leak
    threshold: Tensor  # (*fleet, tiles, 1, rows), V
    tap_offset: Tensor  # (*fleet, tiles, 1, rows), V


@dataclass(frozen=True)
class Hopfield(Device[HopfieldCells]):
    """Reciprocal cells gain * tanh(knob) + offset, between neurons that are clipped to 0..1 V and leak.

    With severity 0 every cell and neuron is nominal. Valid for 0 <= severity <= 3.
    """

    severity: float = setting(
        1.0, "factor on every spread between cells and between neurons", range=(0, 3), fitted=False
    )
    gain_dtod: float = setting(0.4, "sd of ln(cell gain) at severity 1", range=(0, inf))
    offset_dtod: float = setting(
        0.05, "sd of the cell offset at severity 1", unit="full scale", range=(0, inf)
    )
    leak_dtod: float = setting(0.2, "sd of ln(load of a neuron) at severity 1", range=(0, inf))
    threshold_dtod: float = setting(0.2, "sd of a neuron's threshold at severity 1", unit="V", range=(0, inf))
    tap_offset_dtod: float = setting(
        0.0, "sd of the offset of a tap's converter at severity 1", unit="V", range=(0, inf)
    )
    skew_dtod: float = setting(
        0.0, "sd of what a cell sends back above what it sends on, relative, at severity 1", range=(0, inf)
    )
    read_noise: float = setting(0.02, "white noise of every reading of a tap", unit="V rms", range=(0, inf))
    node_noise: float = setting(
        0.0, "slow noise of a neuron's current, one draw a reading", unit="V rms", range=(0, inf)
    )
    write_noise: float = setting(0.05, "sd of a pulse's relative error", range=(0, inf))
    sweeps: int = setting(8, "time constants that a reading waits", range=(1, inf), fitted=False)

    @property
    def settling(self) -> int:
        return self.sweeps

    @property
    def synapse(self) -> Synapse:
        return "product"

    @property
    def reciprocal(self) -> bool:
        return not self.severity * self.skew_dtod

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> HopfieldCells:
        s = self.severity
        knobs = birth.normal("knobs", rows, cols) / cols**0.5
        cells = HopfieldCells(
            knobs=knobs,
            up=knobs,  # until it is known what they come to
            down=knobs,
            gain=(s * self.gain_dtod * birth.normal("gain", rows, cols)).exp(),
            offset=s * self.offset_dtod * birth.normal("offset", rows, cols),
            skew=s * self.skew_dtod * birth.normal("skew", rows, cols),
            load=(s * self.leak_dtod * birth.normal("leak", 1, rows)).exp(),
            threshold=s * self.threshold_dtod * birth.normal("threshold", 1, rows),
            tap_offset=s * self.tap_offset_dtod * birth.normal("tap", 1, rows),
        )
        return self._with_knobs(cells, knobs)

    def pulse(self, cells: HopfieldCells, drive: Tensor, noise: Noise) -> HopfieldCells:
        actual = torch.addcmul(drive, drive, noise.normal(drive), value=self.write_noise)
        return self._with_knobs(cells, cells.knobs + actual)

    def perturb(self, cells: HopfieldCells, offset: Tensor) -> HopfieldCells:
        return self._with_knobs(cells, cells.knobs + offset)

    def collect(self, cells: HopfieldCells, x: Tensor, noise: Noise) -> Tensor:
        u = x @ cells.up.mT + cells.threshold
        return u.add(noise.normal(u), alpha=self.node_noise) if self.node_noise else u

    def reflect(self, cells: HopfieldCells, y: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, with what comes from below
        return y @ cells.down

    def shunt(self, cells: HopfieldCells) -> tuple[Tensor, Tensor]:
        load = cells.load
        return load, load.new_zeros(*load.shape[:-1], cells.knobs.shape[-1])

    def sense(self, cells: HopfieldCells, u: Tensor, noise: Noise) -> Tensor:
        return (u + cells.tap_offset).add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: HopfieldCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # clipped by the supply
        return u.clamp(0, 1)

    def _with_knobs(self, cells: HopfieldCells, knobs: Tensor) -> HopfieldCells:
        """The cells with other knobs, and the weights that these come to, so that a sweep is one product."""
        weights = torch.addcmul(cells.offset, cells.gain, tanh(knobs))
        back = weights if self.reciprocal else torch.addcmul(weights, weights, cells.skew)
        return cells._replace(knobs=knobs, up=weights, down=back)
