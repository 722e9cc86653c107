"""Filamentary CMO/HfOx resistive memory, which relaxes along the logarithm of time after a write.

Falcone et al., "All-in-one analog AI hardware: on-chip training and inference with conductive-metal-oxide/
HfOx ReRAM devices", 2025, https://arxiv.org/abs/2502.04524, 9 to 88.2 uS. Provenance: public fits to the
authors' measurements. Writing within an acceptance of 2 %: sd .0112185391 + .01129027418 G uS, of .2 %:
.00081107 + .00106879 G uS. Relaxation, the same at every conductance: mean -.08900206 ln t uS and sd
.04201137 ln t + .41183342 uS at t seconds after the write. read_noise: Guess, usual noise of simulated
periphery.
Not modelled: the 1/f reading noise of the same device.

Law: relaxation is a walk with independent steps in ln t, of which the fit gives the mean and the variance;
the .41 uS found at one second is taken at the write (Guess: the paper starts at 1 s). Beyond the measured
times the logarithm goes on (extrapolated).

Mapping: one cell against a fixed reference of 48.6 uS; weight = (G - 48.6 uS) / 39.6 uS.
"""

import math
from dataclasses import dataclass
from math import inf
from typing import Literal

import torch
from torch import Tensor

from ..measurement import MeasurementPlan
from ..randomness import Fabrication, Noise
from ..settings import setting
from .programmed import Programmed, ProgrammedCells, blank_fields

LOWEST, HIGHEST = 9.0, 88.2  # uS
MIDDLE = (LOWEST + HIGHEST) / 2
ACCEPTED: dict[str, tuple[float, float]] = {  # sd at 0 uS, slope
    "2%": (0.0112185391, 0.01129027418),
    "0.2%": (0.00081107, 0.00106879),
}
SHIFT, WIDENING, EARLY = -0.08900206, 0.04201137, 0.41183342  # uS, uS, uS


@dataclass(frozen=True)
class CMOHfOxRRAM(Programmed[ProgrammedCells]):
    """Written finely, then relaxing along the logarithm of time."""

    read_noise: float = 0.06
    acceptance: Literal["2%", "0.2%"] = setting(
        "0.2%", "within what of the target a write is accepted", choices=tuple(ACCEPTED)
    )
    programming_error_scale: float = setting(1.0, "factor on the published programming error", range=(0, inf))
    relaxation_scale: float = setting(1.0, "factor on the published relaxation", range=(0, inf))

    @property
    def g_range(self) -> float:
        return HIGHEST - MIDDLE

    @property
    def aging_interval(self) -> float:
        return 0.1  # s; ln t moves by at most a tenth meanwhile

    def conductances(self, target: Tensor) -> tuple[Tensor, Tensor]:
        return MIDDLE + self.g_range * target, torch.full_like(target, MIDDLE)

    def programming_error(self, wanted: Tensor) -> Tensor:
        base, slope = ACCEPTED[self.acceptance]
        written = self.programming_error_scale * (base + slope * wanted)
        return (written.square() + (self.relaxation_scale * EARLY) ** 2).sqrt()

    def write(
        self, cells: ProgrammedCells, target: Tensor, touched: Tensor, normals: tuple[Tensor, Tensor]
    ) -> ProgrammedCells:
        written = super().write(cells, target, touched, normals)
        return written._replace(minus=self.conductances(target)[1])  # the reference is not written

    def evolve(
        self, cells: ProgrammedCells, before: Tensor, after: Tensor, seconds: float, noise: Noise
    ) -> ProgrammedCells:
        del seconds
        start, end = (t.clamp(min=1).log() for t in (before, after))
        variance = (WIDENING * end + EARLY).square() - (WIDENING * start + EARLY).square()
        mean, std = (SHIFT * (end - start)).to(cells.plus), variance.sqrt().to(cells.plus)
        relaxed = cells.plus + self.relaxation_scale * (mean + std * noise.normal(cells.plus))
        return cells._replace(plus=relaxed)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> ProgrammedCells:
        return self.first_write(ProgrammedCells(**blank_fields(rows, cols, birth)), birth)

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Levels, each read often over a week."""
        early, late = (0.0, 0.01, 0.02, 10.0, 10.01, 10.02), (6e5, 6e5 + 0.01, 6e5 + 0.02, 6e5 + 0.03)
        times = (*early, 1e3, 1e3 + 0.01, *late)
        return MeasurementPlan.targets(cells, (-0.9, 0.0, 0.9), times, (1.0,) * len(times))


def relaxation(seconds: float) -> tuple[float, float]:
    """Mean and sd in uS of the relaxation after `seconds`, which is at least 1."""
    return SHIFT * math.log(seconds), WIDENING * math.log(seconds) + EARLY
