"""Filamentary CMO/HfOx resistive memory, which relaxes along the logarithm of time after a write.

Falcone et al. (IBM Research Zurich), analog CMO/HfOx ReRAM, 9 to 88.2 uS. Provenance: public fits to the
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
from typing import Literal

import torch
from torch import Tensor

from ..randomness import Fabrication
from ..randomness import Noise
from .programmed import HeldCells
from .programmed import Programmed
from .programmed import at_least_zero
from .programmed import fresh

LOWEST, HIGHEST = 9.0, 88.2  # uS
MIDDLE = (LOWEST + HIGHEST) / 2
ACCEPTED: dict[str, tuple[float, float]] = {  # sd at 0 uS, slope
    "2%": (0.0112185391, 0.01129027418),
    "0.2%": (0.00081107, 0.00106879),
}
SHIFT, WIDENING, EARLY = -0.08900206, 0.04201137, 0.41183342  # uS, uS, uS


@dataclass(frozen=True)
class CMOHfOxRRAM(Programmed[HeldCells]):
    """Written finely, then relaxing. `relaxation` scales the shift and the spread of relaxation."""

    read_noise: float = 0.06
    acceptance: Literal["2%", "0.2%"] = "0.2%"
    miss_scale: float = 1.0  # of the programming error
    relaxation: float = 1.0  # of the measured one

    def __post_init__(self) -> None:
        at_least_zero(
            self, read_noise=self.read_noise, miss_scale=self.miss_scale, relaxation=self.relaxation
        )
        if self.acceptance not in ACCEPTED:
            raise ValueError(
                f"CMOHfOxRRAM: acceptance is {self.acceptance!r}, wanted one of {', '.join(ACCEPTED)}"
            )

    @property
    def full(self) -> float:
        return HIGHEST - MIDDLE

    @property
    def patience(self) -> float:
        return 0.1  # s; ln t moves by at most a tenth meanwhile

    def pair(self, target: Tensor) -> tuple[Tensor, Tensor]:
        return MIDDLE + self.full * target, torch.full_like(target, MIDDLE)

    def miss(self, wanted: Tensor) -> Tensor:
        base, slope = ACCEPTED[self.acceptance]
        written = self.miss_scale * (base + slope * wanted)
        return (written.square() + (self.relaxation * EARLY) ** 2).sqrt()

    def rewritten(
        self, cells: HeldCells, target: Tensor, touched: Tensor, normals: tuple[Tensor, Tensor]
    ) -> HeldCells:
        written = super().rewritten(cells, target, touched, normals)
        return written._replace(minus=self.pair(target)[1])  # the reference is not written

    def aged(
        self, cells: HeldCells, before: Tensor, after: Tensor, seconds: float, noise: Noise
    ) -> HeldCells:
        del seconds
        started, ended = (t.clamp(min=1).log() for t in (before, after))
        grown = (WIDENING * ended + EARLY).square() - (WIDENING * started + EARLY).square()
        walk = (SHIFT * (ended - started)).to(cells.plus), grown.sqrt().to(cells.plus)
        moved = cells.plus + self.relaxation * (walk[0] + walk[1] * noise.normal(cells.plus))
        return cells._replace(plus=moved)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> HeldCells:
        return self.born(HeldCells(**fresh(rows, cols, birth)), birth)


def relaxed(seconds: float) -> tuple[float, float]:
    """Mean and sd in uS of the relaxation after `seconds`, which is at least 1."""
    return SHIFT * math.log(seconds), WIDENING * math.log(seconds) + EARLY
