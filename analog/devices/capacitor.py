"""A capacitor on a gate: nearly perfect pulsed steps, and a charge that leaks away.

Li et al., "Capacitor-based cross-point array for analog neural network with record symmetry and linearity",
VLSI 2018, https://doi.org/10.1109/VLSIT.2018.8510648. Provenance: the linear-step fit in circulation (step
.005 spread .1, cycle noise .3, up/down spread .06, bounds 1/-1 spread .07, softness .05 spread .01; lifetime
1e6 batches, spread .3). Guess: one batch takes a microsecond, so that the mean lifetime is 1 s; the fit says
that it has to be adapted to the time that a batch takes. read_noise: Guess, the usual output noise of
simulated periphery.

Law: between pulses w decays as exp(-t / lifetime), without memory, so that ageing composes exactly.
Leakage is worked out once it has come to a ten-thousandth (time until then is only added up).
"""

from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from ..measurement import MeasurementPlan
from ..randomness import Fabrication, Noise
from ..settings import setting
from .linear_ecram import LinearECRAM
from .pulsed import SMALLEST_SHARE, Pulsed, PulsedCells

LAG = 1e-4  # share of a mean lifetime that may pass before leakage is worked out


@dataclass(frozen=True)
class CapacitorCell(Pulsed):
    """A pulse moves w by step * (1 - softness * w / mean bound); w leaks to zero."""

    step: float = 0.005
    step_dtod: float = 0.1
    up_down: float = 0.0
    up_down_dtod: float = 0.06
    w_max: float = 1.0
    w_min: float = -1.0
    w_max_dtod: float = 0.07
    w_min_dtod: float = 0.07
    cycle_to_cycle_std: float = 0.3
    write_noise: float = 0.0
    read_noise: float = 0.06
    softness: float = setting(
        0.05, "share of the step lost from zero to the mean bound (aihwkit: gamma)", range=(0, 1)
    )
    softness_dtod: float = setting(
        0.01, "relative sd of the softness between cells (gamma_dtod)", range=(0, inf)
    )
    lifetime: float = setting(
        1.0, "mean time in which a charge falls to 1/e (lifetime)", unit="s", range=(0, inf), closed="neither"
    )
    lifetime_dtod: float = setting(
        0.3, "relative sd of the lifetime between cells (lifetime_dtod)", range=(0, inf)
    )

    def step_slopes(self, birth: Fabrication, w_max: Tensor, w_min: Tensor) -> tuple[Tensor, Tensor]:
        alike = LinearECRAM(
            w_max=self.w_max,
            w_min=self.w_min,
            softness_up=self.softness,
            softness_down=self.softness,
            softness_dtod=self.softness_dtod,
        )
        return alike.step_slopes(birth, w_max, w_min)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PulsedCells:
        variation = 1 + self.lifetime_dtod * birth.normal("lifetime", rows, cols)
        leak_rate = 1 / (self.lifetime * variation.clamp(min=SMALLEST_SHARE))
        return super().fabricate(rows, cols, birth)._replace(leak_rate=leak_rate)

    def age(self, cells: PulsedCells, seconds: float, noise: Noise) -> PulsedCells:
        del noise  # leakage is smooth
        pending = cells.pending_seconds + seconds
        waiting = cells._replace(pending_seconds=pending)
        return waiting if float(pending.max()) < LAG * self.lifetime else self._leak(waiting)

    @staticmethod
    def _leak(cells: PulsedCells) -> PulsedCells:
        left = (-cells.pending_seconds * cells.leak_rate).exp()
        return cells._replace(
            knobs=cells.knobs * left,
            weights=cells.weights * left,
            pending_seconds=torch.zeros_like(cells.pending_seconds),
        )

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """As for other pulsed cells, and waits of about half a lifetime when charged."""
        parts = (0.0, 0.1, 0.2, 0.4, 2.0, 0.0, 0.0, 2.0, -0.2, -0.4, 0.0, -2.0, 0.0, 0.0, 0.1, 0.2)
        waits = {5: 0.5, 6: 1.0, 12: 0.5, 13: 1.0}  # lifetimes before a row
        seconds, clock = [], 0.0
        for k in range(len(parts)):
            clock += self.lifetime * waits.get(k, 0.0)
            seconds.append(clock)
        return MeasurementPlan.trains(cells, self.pulses_of_range(parts), seconds)
