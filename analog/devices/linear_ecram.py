"""Electrochemical transistors (ECRAM): nearly linear, nearly symmetric pulsed cells, two materials.

Lithium: Tang et al., "ECRAM as scalable synaptic cell for high-speed, low-power neuromorphic computing", IEDM
2018, https://doi.org/10.1109/IEDM.2018.8614551. Metal oxide: Kim et al., "Metal-oxide based, CMOS-compatible
ECRAM for deep learning accelerator", IEDM 2019. Provenance: the linear-step fits in circulation for either;
the range is shifted so that the point of equal steps lies at zero. read_noise: Guess, the usual output noise
of simulated periphery.

Where we differ and why: steps shrink relative to the mean bound, as in the fits, while a cell stops at its
own; trains are exact.
"""

from dataclasses import dataclass
from math import inf
from typing import Self

from torch import Tensor

from ..randomness import Fabrication
from ..settings import setting
from .pulsed import Pulsed


@dataclass(frozen=True)
class LinearECRAM(Pulsed):
    """A pulse moves w by step * (1 - softness * w / mean bound), up to hard bounds. The defaults are the
    lithium cell; `LinearECRAM.metal_oxide()` is the other. Valid for 0 <= softness <= 1.
    """

    step: float = 0.002
    step_dtod: float = 0.1
    up_down: float = 0.0
    up_down_dtod: float = 0.01
    w_max: float = 1.1724
    w_min: float = -0.8276
    w_max_dtod: float = 0.05
    w_min_dtod: float = 0.05
    cycle_to_cycle_std: float = 0.3
    write_noise: float = 0.0
    read_noise: float = 0.06
    softness_up: float = setting(
        0.1153, "share of the step upwards lost from zero to the mean bound (gamma_up)", range=(0, 1)
    )
    softness_down: float = setting(
        0.5085, "share of the step downwards lost from zero to the mean bound (gamma_down)", range=(0, 1)
    )
    softness_dtod: float = setting(
        0.05, "relative sd of the softness between cells (gamma_up_dtod)", range=(0, inf)
    )

    @classmethod
    def metal_oxide(cls) -> Self:
        """Kim et al. 2019: seven times finer steps, noisier and less linear."""
        return cls(
            step=2.8214e-4,
            w_max=1.1714,
            w_min=-0.8286,
            cycle_to_cycle_std=2.0,
            softness_up=0.4152,
            softness_down=0.7342,
        )

    def step_slopes(self, birth: Fabrication, w_max: Tensor, w_min: Tensor) -> tuple[Tensor, Tensor]:
        del w_min  # steps shrink relative to the mean bounds
        rows, cols = w_max.shape[-2:]
        up = 1 + self.softness_dtod * birth.normal("fading up", rows, cols)
        down = 1 + self.softness_dtod * birth.normal("fading down", rows, cols)
        return (
            self.softness_up / self.w_max * up.clamp(min=0),
            self.softness_down / self.w_min * down.clamp(min=0),
        )
