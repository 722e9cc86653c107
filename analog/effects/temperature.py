"""A chip that is warmer or colder than it was calibrated for.

Law: amplifier gains change by a coefficient of their own per kelvin; noise that is thermal grows with the
square root of temperature; whatever ages does so faster by Arrhenius' law, seconds becoming
seconds * exp(activation / k * (1 / 300 K - 1 / T)). At 300 K nothing happens.
Guess: all magnitudes (.1 % per kelvin, spread as much between amplifiers; activation .6 eV is of the order
reported for retention of filaments and of amorphous phases).
Where this falls short: conductances of single cells keep their ratios.
Valid from 233 to 398 K (-40 to 125 C).
"""

import math
from dataclasses import dataclass
from math import inf
from typing import Generic, NamedTuple

from torch import Tensor

from ..device import Device, S
from ..randomness import Fabrication, Noise
from ..settings import setting
from .effect import Effect

BOLTZMANN = 8.617333e-5  # eV/K
NOMINAL = 300.0  # K


class TemperedCells(NamedTuple, Generic[S]):
    cells: S
    gain: Tensor  # (*fleet, tiles, 1, rows), of each amplifier at this temperature

    @property
    def knobs(self) -> Tensor:
        return self.cells.knobs


@dataclass(frozen=True)
class Temperature(Effect[TemperedCells[S], S]):
    """Any device at another temperature."""

    device: Device[S]
    kelvin: float = setting(330.0, "temperature of the chip", unit="K", range=(233, 398), fitted=False)
    gain_per_kelvin: float = setting(
        -1e-3, "mean relative change of an amplifier's gain", unit="1/K", range=(-5e-3, 5e-3)
    )
    gain_dtod: float = setting(1e-3, "sd of that change between amplifiers", unit="1/K", range=(0, inf))
    read_noise: float = setting(
        0.02, "thermal part of the device's own noise at 300 K", unit="V rms", range=(0, inf)
    )
    activation: float = setting(0.6, "energy by which ageing is activated", unit="eV", range=(0, inf))

    @property
    def acceleration_factor(self) -> float:
        """The seconds at 300 K that age the cells as one second here does."""
        return math.exp(self.activation / BOLTZMANN * (1 / NOMINAL - 1 / self.kelvin))

    def inner(self, cells: TemperedCells[S]) -> S:
        return cells.cells

    def outer(self, cells: TemperedCells[S], inner: S) -> TemperedCells[S]:
        return cells._replace(cells=inner)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> TemperedCells[S]:
        slope = self.gain_per_kelvin + self.gain_dtod * birth.normal("gain per kelvin", 1, rows)
        gain = (slope * (self.kelvin - NOMINAL)).exp()
        return TemperedCells(self.device.fabricate(rows, cols, birth), gain)

    def sense(self, cells: TemperedCells[S], u: Tensor, noise: Noise) -> Tensor:
        sensed = self.device.sense(cells.cells, u * cells.gain, noise)
        more = self.read_noise * max(0.0, self.kelvin / NOMINAL - 1) ** 0.5  # cold noise is not taken away
        return sensed.add(noise.normal(sensed), alpha=more) if more else sensed

    def age(self, cells: TemperedCells[S], seconds: float, noise: Noise) -> TemperedCells[S]:
        return super().age(cells, seconds * self.acceleration_factor, noise)
