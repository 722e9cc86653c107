"""Pulsed resistive memory whose steps depend exponentially on the state.

Gong et al., "Signal and noise extraction from analog memory elements for neuromorphic computing", Nature
Communications 9 (2018), https://doi.org/10.1038/s41467-018-04485-1. Provenance: the fit in circulation for
that ReRAM data (step .00135 spread .2, cycle noise 5 steps, up/down .259359 spread .05, bounds 1/-1 spread
.3, write noise 75 steps; steepness 5, heights 1.18445 up and .081404 down, scale and offset -.5).

Law: a pulse upwards moves w by step * (1 + height * exp(5 z)), one downwards by step * (1 + height *
exp(-5 z)), z = -w / (w_max - w_min) - 1/2. Steps downwards are 2 nominal steps at zero and 13 at the top.

Where we differ and why: after its first pulse a train runs along the smooth flow (see `trains`), which falls
short of its pulses one by one by at most .9 % of the way (downwards from .9; .1 % from 0; upwards .2 %).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import Fabrication
from ..settings import setting
from .pulsed import Pulsed, PulsedCells
from .trains import exponential


@dataclass(frozen=True)
class ExponentialRRAM(Pulsed):
    """Granular, strongly asymmetric, hard bounds, noisy. Valid for steps up to a hundredth of the range.

    Raises:
        ValueError: a setting is out of its range, or `step` above a hundredth of the range of knobs.
    """

    step: float = 0.00135
    step_dtod: float = 0.2
    up_down: float = 0.259359
    up_down_dtod: float = 0.05
    w_max: float = 1.0
    w_min: float = -1.0
    w_max_dtod: float = 0.3
    w_min_dtod: float = 0.3
    cycle_to_cycle_std: float = 5.0
    write_noise: float = 75.0
    read_noise: float = 0.06
    steepness: float = setting(
        5.0, "per unit of z (aihwkit: gamma_up, gamma_down)", range=(0, 8), closed="right"
    )
    height_up: float = setting(1.18445, "of the exponential, upwards (A_up)", range=(0, 10))
    height_down: float = setting(0.081404, "of the exponential, downwards (A_down)", range=(0, 0.5))
    scale: float = setting(
        -0.5, "z = 2 * scale * w / (w_max - w_min) + offset (a)", range=(-1, 0), closed="left"
    )
    offset: float = setting(-0.5, "of z (b)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > 0.01 * (self.w_max - self.w_min):
            raise ValueError(f"ExponentialRRAM: step is {self.step}; wanted up to a hundredth of the range")

    def step_slopes(self, birth: Fabrication, w_max: Tensor, w_min: Tensor) -> tuple[Tensor, Tensor]:
        del birth, w_min  # the law is not affine
        return torch.zeros_like(w_max), torch.zeros_like(w_max)

    def train_response(self, cells: PulsedCells, count: Tensor, rising: Tensor) -> tuple[Tensor, Tensor]:
        slope = 2 * self.scale / (cells.w_max - cells.w_min)  # dz/dw, negative
        rate = torch.where(rising, self.steepness * slope, -self.steepness * slope)
        height = torch.where(rising, count.new_tensor(self.height_up), count.new_tensor(self.height_down))
        step = torch.where(rising, cells.step_up, -cells.step_down)
        return exponential(cells.knobs, count, step, height, rate, -self.offset / slope)
