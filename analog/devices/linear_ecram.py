"""Electrochemical transistors (ECRAM): nearly linear, nearly symmetric pulsed cells, two materials.

Lithium: Tang et al., "ECRAM as scalable synaptic cell for high-speed, low-power neuromorphic computing",
IEDM 2018. Metal oxide: Kim et al., "Metal-oxide based, CMOS-compatible ECRAM for deep learning
accelerator", IEDM 2019. Provenance: the linear-step fits in circulation for either; the range is shifted
so that the point of equal steps lies at zero. read_noise: Guess, the usual output noise of simulated
periphery.

Where we differ and why: steps shrink relative to the mean bound, as in the fits, while a cell stops at its
own; trains are exact.
"""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from ..randomness import Fabrication
from .pulsed import Pulsed


@dataclass(frozen=True)
class LinearECRAM(Pulsed):
    """A pulse moves w by step * (1 - fading * w / mean bound), up to hard bounds. The defaults are the
    lithium cell; `LinearECRAM.metal_oxide()` is the other. Valid for 0 <= fading <= 1.
    """

    step: float = 0.002
    step_spread: float = 0.1
    asymmetry: float = 0.0
    asymmetry_spread: float = 0.01
    top: float = 1.1724
    bottom: float = -0.8276
    top_spread: float = 0.05
    bottom_spread: float = 0.05
    cycle_noise: float = 0.3
    write_noise: float = 0.0
    read_noise: float = 0.06
    fading_up: float = 0.1153  # share of the step lost from zero to the mean bound
    fading_down: float = 0.5085
    fading_spread: float = 0.05  # relative sd between cells

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.fading_up <= 1 and 0 <= self.fading_down <= 1):
            raise ValueError(f"{type(self).__name__}: fading is a share from 0 to 1, got {self}")

    @classmethod
    def metal_oxide(cls) -> Self:
        """Kim et al. 2019: seven times finer steps, noisier and less linear."""
        return cls(
            step=2.8214e-4,
            top=1.1714,
            bottom=-0.8286,
            cycle_noise=2.0,
            fading_up=0.4152,
            fading_down=0.7342,
        )

    def bends(self, birth: Fabrication, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        del bottom  # steps shrink relative to the mean bounds
        rows, cols = top.shape[-2:]
        up = 1 + self.fading_spread * birth.normal("fading up", rows, cols)
        down = 1 + self.fading_spread * birth.normal("fading down", rows, cols)
        return (
            self.fading_up / self.top * up.clamp(min=0),
            self.fading_down / self.bottom * down.clamp(min=0),
        )
