"""Resistive memory programmed in levels, whose current is not quite linear in the voltage.

Milo et al., "Optimized programming algorithms for multilevel RRAM in hardware neural networks", IRPS 2021,
Fig. 4, https://doi.org/10.1109/IRPS46558.2021.9405119. Provenance: digitised linear fit (IGVVA-100): sd =
4.782321 - .009107 G uS, 50 to 225 uS; current I = G V + c2 V^2 + c3 V^3 for |V| <= .5 V, with L = log10(G in
S), c2 = 1.388e-4 L^3 + 1.541e-3 L^2 + 5.711e-3 L + 7.063e-3 A/V^2 and c3 = 8.871e-5 L^2 + 6.7919e-4 L +
1.2968e-3 A/V^3: a fit as published, in which large terms cancel, so that c2 is known to about 1e-5. Guess:
volts per unit of input; read noise, the usual output noise of simulated periphery. Cells hold what they have;
no drift is modelled.

Where we differ and why: to read with two products instead of three, c3 is taken as .0348 G - .7234 c2 and a
constant, which a pair cancels: least squares over the range, off by .8 % of the current at .5 V, less below.

Mapping: G+ = 50 uS + w * 175 uS for w > 0 and G- = 50 uS, the other way round for w < 0; weight =
(G+ - G-) / 175 uS. Inputs become voltages and saturate at +-.5 V, the end of the fit. Written
conductances are held to the fit's range.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from ..precision import rough_matmul
from ..randomness import Fabrication, Noise
from ..settings import setting
from .programmed import Programmed, blank_fields, one_sided_pair
from .wan_rram import polynomial

LOWEST, HIGHEST = 50.0, 225.0  # uS
SQUARE = (7.063e-3, 5.711e-3, 1.541e-3, 1.388e-4)  # A/V^2, of powers of log10(G / S)
CUBE = (1.2968e-3, 6.7919e-4, 8.871e-5)  # A/V^3, likewise; what WITH_LINEAR and WITH_SQUARE stand for
WITH_LINEAR, WITH_SQUARE = 3.48067584e-2, -0.723371437  # 1/V^2, 1/V


class MiloCells(NamedTuple):
    """As `ProgrammedCells`, and the part of the response that goes with the voltage squared."""

    knobs: Tensor  # (*fleet, tiles, rows, cols)
    weights: Tensor
    target: Tensor
    plus: Tensor  # uS
    minus: Tensor  # uS
    since_write: Tensor
    pending_seconds: Tensor
    square: Tensor  # per unit of input squared, full scale


@dataclass(frozen=True)
class MiloRRAM(Programmed[MiloCells]):
    """Written with an error of 2.7 to 4.3 uS, read with a bent current. Valid for 0 < volts <= .5."""

    read_noise: float = 0.06
    volts: float = setting(
        0.1, "of the driver for an input of 1", unit="V", range=(0, 0.5), closed="right", fitted=False
    )
    programming_error_scale: float = setting(1.0, "factor on the published programming error", range=(0, inf))

    @property
    def g_range(self) -> float:
        return HIGHEST - LOWEST

    def conductances(self, target: Tensor) -> tuple[Tensor, Tensor]:
        plus, minus = one_sided_pair(target, self.g_range)
        return LOWEST + plus, LOWEST + minus

    def programming_error(self, wanted: Tensor) -> Tensor:
        return self.programming_error_scale * (4.782321 - 0.009107 * wanted)

    def write(
        self, cells: MiloCells, target: Tensor, touched: Tensor, normals: tuple[Tensor, Tensor]
    ) -> MiloCells:
        written = super().write(cells, target, touched, normals)
        plus, minus = (g.clamp(LOWEST, HIGHEST) for g in (written.plus, written.minus))
        return written._replace(plus=plus, minus=minus)

    def with_effective_weights(self, cells: MiloCells) -> MiloCells:
        plus, minus = ((g * 1e-6).log10() for g in (cells.plus, cells.minus))
        unit = self.g_range * 1e-6  # A/V
        return cells._replace(
            weights=(cells.plus - cells.minus) / self.g_range,
            square=(polynomial(plus, SQUARE) - polynomial(minus, SQUARE)) * (self.volts / unit),
        )

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> MiloCells:
        blank = torch.zeros_like(birth.normal("knobs", rows, cols))
        return self.first_write(MiloCells(**blank_fields(rows, cols, birth), square=blank), birth)

    def collect(self, cells: MiloCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        v = x.clamp(-0.5 / self.volts, 0.5 / self.volts)  # in units of `volts`
        squared = v * v
        straight = torch.addcmul(v, squared, v, value=WITH_LINEAR * self.volts**2) @ cells.weights.mT
        bend = torch.addcmul(squared, squared, v, value=WITH_SQUARE * self.volts)
        return straight + rough_matmul(bend, cells.square.mT)  # a few hundredths of the current
