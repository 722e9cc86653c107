"""A capacitor on a gate: nearly perfect pulsed steps, and a charge that leaks away.

Li et al., "Capacitor-based cross-point array for analog neural network with record symmetry and
linearity", VLSI 2018. Provenance: the linear-step fit in circulation (step .005 spread .1, cycle noise .3,
asymmetry spread .06, bounds 1/-1 spread .07, fading .05 spread .01; lifetime 1e6 batches, spread .3).
Guess: one batch takes a microsecond, so that the mean lifetime is 1 s; the fit says that it has to be
adapted to the time that a batch takes. read_noise: Guess, the usual output noise of simulated periphery.

Law: between pulses w decays as exp(-t / lifetime), without memory, so that ageing composes exactly.
Leakage is worked out once it has come to a ten-thousandth (time until then is only added up).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import Fabrication
from ..randomness import Noise
from .linear_ecram import LinearECRAM
from .pulsed import TINY
from .pulsed import Pulsed
from .pulsed import PulsedCells

LAG = 1e-4  # share of a mean lifetime that may pass before leakage is worked out


@dataclass(frozen=True)
class CapacitorCell(Pulsed):
    """A pulse moves w by step * (1 - fading * w / mean bound); w leaks to zero. Valid for fading up to 1."""

    step: float = 0.005
    step_spread: float = 0.1
    asymmetry: float = 0.0
    asymmetry_spread: float = 0.06
    top: float = 1.0
    bottom: float = -1.0
    top_spread: float = 0.07
    bottom_spread: float = 0.07
    cycle_noise: float = 0.3
    write_noise: float = 0.0
    read_noise: float = 0.06
    fading: float = 0.05  # share of the step lost from zero to the mean bound
    fading_spread: float = 0.01  # relative sd between cells
    lifetime: float = 1.0  # s
    lifetime_spread: float = 0.3  # relative sd between cells

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.fading <= 1 or not 0 < self.lifetime < float("inf"):
            raise ValueError(f"CapacitorCell: wants fading in [0, 1] and a finite lifetime, got {self}")

    def bends(self, birth: Fabrication, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        alike = LinearECRAM(
            top=self.top,
            bottom=self.bottom,
            fading_up=self.fading,
            fading_down=self.fading,
            fading_spread=self.fading_spread,
        )
        return alike.bends(birth, top, bottom)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PulsedCells:
        spread = 1 + self.lifetime_spread * birth.normal("lifetime", rows, cols)
        leak = 1 / (self.lifetime * spread.clamp(min=TINY))
        return super().fabricate(rows, cols, birth)._replace(leak=leak)

    def age(self, cells: PulsedCells, seconds: float, noise: Noise) -> PulsedCells:
        del noise  # leakage is smooth
        idle = cells.idle + seconds
        if float(idle.max()) < LAG * self.lifetime:
            return cells._replace(idle=idle)
        return self._leaked(cells._replace(idle=idle))

    @staticmethod
    def _leaked(cells: PulsedCells) -> PulsedCells:
        kept = (-cells.idle * cells.leak).exp()
        return cells._replace(
            knobs=cells.knobs * kept, weights=cells.weights * kept, idle=torch.zeros_like(cells.idle)
        )
