"""Charge-trap transistors (SONOS) read as currents, which spread over days.

Agrawal et al., "Subthreshold operation of SONOS analog memory to enable accurate low-power neural network
inference", IEDM 2022: 128K cells, up to 3200 nA. Provenance: fits to measured cells; sd of the current
around its target is A (1 - exp(-I / B)) nA with A = 19.89, 25.59, 28.73, 31.04, 33.76, 34.58 and B = 176.3,
186.9, 193.6, 198.9, 204.8, 207.3 nA at days 0 to 5. read_noise: Guess, usual noise of simulated periphery.

Law: loose fit of ours to those days, A = 19.89 + 8.265 ln(1 + days), B = 176.3 + 16.91 ln(1 + days), within
1.7 %; the spread of day 0 belongs to the write, later ones grow from it by independent steps. Beyond day 5
the logarithm goes on (extrapolated).

Mapping: w > 0 is I+ = w * i_max, I- = 0; w < 0 the other way round; weight = (I+ - I-) / i_max. Inputs
gate the currents on for a time in proportion (Guess), so that readings are linear in them.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import Fabrication
from ..randomness import Noise
from .programmed import HeldCells
from .programmed import Programmed
from .programmed import at_least_zero
from .programmed import fresh

DAY = 86_400.0  # s


@dataclass(frozen=True)
class SONOS(Programmed[HeldCells]):
    """Written with an error that saturates, spreading over days. Valid for 0 < i_max <= 3200 nA."""

    read_noise: float = 0.06
    i_max: float = 1600.0  # nA
    spread_scale: float = 1.0  # of the measured spread

    def __post_init__(self) -> None:
        at_least_zero(self, read_noise=self.read_noise, spread_scale=self.spread_scale)
        if not 0 < self.i_max <= 3200:
            raise ValueError(f"SONOS: i_max is {self.i_max} nA, measured up to 3200 nA")

    @property
    def full(self) -> float:
        return self.i_max

    @property
    def patience(self) -> float:
        return 1e-3 * DAY  # the spread grows by less than .05 % meanwhile

    def pair(self, target: Tensor) -> tuple[Tensor, Tensor]:
        return self.i_max * target.clamp(min=0), self.i_max * (-target).clamp(min=0)

    def miss(self, wanted: Tensor) -> Tensor:
        return self.spread_scale * spread(wanted, torch.zeros_like(wanted))

    def aged(
        self, cells: HeldCells, before: Tensor, after: Tensor, seconds: float, noise: Noise
    ) -> HeldCells:
        del seconds
        moved = []
        for wanted, held in zip(self.pair(cells.target), (cells.plus, cells.minus), strict=True):
            grown = spread(wanted, after).square() - spread(wanted, before).square()
            walk = self.spread_scale * grown.clamp(min=0).sqrt().to(held) * noise.normal(held)
            moved.append((held + walk).clamp(min=0))
        return cells._replace(plus=moved[0], minus=moved[1])

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> HeldCells:
        return self.born(HeldCells(**fresh(rows, cols, birth)), birth)


def spread(current: Tensor, seconds: Tensor) -> Tensor:
    """Sd in nA of cells written to `current` in nA, `seconds` after the write."""
    late = torch.log1p(seconds / DAY)
    return (19.89 + 8.265 * late) * -torch.expm1(-current / (176.3 + 16.91 * late))


def within(days: int) -> float:
    """Sd at high current after whole days, as our law has it: for comparing with the published ones."""
    return 19.89 + 8.265 * math.log1p(days)
