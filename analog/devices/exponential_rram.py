"""Pulsed resistive memory whose steps depend exponentially on the state.

Gong et al., "Signal and noise extraction from analog memory elements for neuromorphic computing",
Nature Communications 9 (2018). Provenance: the fit in circulation for that ReRAM data (step .00135 spread
.2, cycle noise 5 steps, asymmetry .259359 spread .05, bounds 1/-1 spread .3, write noise 75 steps;
steepness 5, heights 1.18445 up and .081404 down, scale and offset -.5).

Law: a pulse upwards moves w by step * (1 + height * exp(5 z)), one downwards by step * (1 + height *
exp(-5 z)), z = -w / (top - bottom) - 1/2. Steps downwards are 2 nominal steps at zero and 13 at the top.

Where we differ and why: after its first pulse a train runs along the smooth flow (see `trains`), which falls
short of its pulses one by one by at most .9 % of the way (downwards from .9; .1 % from 0; upwards .2 %).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import Fabrication
from .pulsed import Pulsed
from .pulsed import PulsedCells
from .trains import exponential


@dataclass(frozen=True)
class ExponentialRRAM(Pulsed):
    """Granular, strongly asymmetric, hard bounds, noisy. Valid for steps up to a hundredth of the range."""

    step: float = 0.00135
    step_spread: float = 0.2
    asymmetry: float = 0.259359
    asymmetry_spread: float = 0.05
    top: float = 1.0
    bottom: float = -1.0
    top_spread: float = 0.3
    bottom_spread: float = 0.3
    cycle_noise: float = 5.0
    write_noise: float = 75.0
    read_noise: float = 0.06
    steepness: float = 5.0  # per unit of z
    height_up: float = 1.18445
    height_down: float = 0.081404
    scale: float = -0.5  # z = 2 * scale * w / (top - bottom) + offset
    offset: float = -0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > 0.01 * (self.top - self.bottom):
            raise ValueError(f"ExponentialRRAM: step is {self.step}, valid up to a hundredth of the range")
        if not (0 <= self.height_up <= 10 and 0 <= self.height_down <= 0.5 and 0 < self.steepness <= 8):
            raise ValueError(
                "ExponentialRRAM: wants height_up in [0, 10], height_down in [0, .5], steepness in (0, 8], "
                f"got {self}"
            )
        if not -1 <= self.scale < 0:
            raise ValueError(f"ExponentialRRAM: scale is {self.scale}, valid from -1 to below 0")

    def bends(self, birth: Fabrication, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        del birth, bottom  # the law is not affine
        return torch.zeros_like(top), torch.zeros_like(top)

    def travel(self, cells: PulsedCells, count: Tensor, rising: Tensor) -> tuple[Tensor, Tensor]:
        slope = 2 * self.scale / (cells.top - cells.bottom)  # dz/dw, negative
        rate = torch.where(rising, self.steepness * slope, -self.steepness * slope)
        height = torch.where(rising, count.new_tensor(self.height_up), count.new_tensor(self.height_down))
        step = torch.where(rising, cells.up, -cells.down)
        return exponential(cells.knobs, count, step, height, rate, -self.offset / slope)
