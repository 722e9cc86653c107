"""The reference of pulsed cells: constant steps between hard bounds.

Gokmen and Vlasov, "Acceleration of deep neural network training with resistive cross-point devices: design
considerations", Frontiers in Neuroscience 10 (2016), https://doi.org/10.3389/fnins.2016.00333. Provenance: a
specification, not a measured device: 1200 states over the range, spreads of 30 % (step, cycle noise, bounds),
asymmetry 1 %; scaled to bounds of +-1. read_noise: Guess, the usual output noise of simulated periphery.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..randomness import Fabrication
from .pulsed import Pulsed


@dataclass(frozen=True)
class ConstantStep(Pulsed):
    """A pulse moves w by one step wherever it is, up to hard bounds."""

    step: float = 0.0016
    step_dtod: float = 0.3
    up_down: float = 0.0
    up_down_dtod: float = 0.01
    w_max: float = 1.0
    w_min: float = -1.0
    w_max_dtod: float = 0.3
    w_min_dtod: float = 0.3
    cycle_to_cycle_std: float = 0.3
    write_noise: float = 0.0
    read_noise: float = 0.06

    def step_slopes(self, birth: Fabrication, w_max: Tensor, w_min: Tensor) -> tuple[Tensor, Tensor]:
        del birth, w_min  # steps do not shrink
        return torch.zeros_like(w_max), torch.zeros_like(w_max)
