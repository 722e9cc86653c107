"""The reference of pulsed cells: constant steps between hard bounds.

Gokmen and Vlasov, "Acceleration of deep neural network training with resistive cross-point devices:
design considerations", Frontiers in Neuroscience 10 (2016). Provenance: a specification, not a measured
device: 1200 states over the range, spreads of 30 % (step, cycle noise, bounds), asymmetry 1 %; scaled to
bounds of +-1. read_noise: Guess, the usual output noise of simulated periphery.
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
    step_spread: float = 0.3
    asymmetry: float = 0.0
    asymmetry_spread: float = 0.01
    top: float = 1.0
    bottom: float = -1.0
    top_spread: float = 0.3
    bottom_spread: float = 0.3
    cycle_noise: float = 0.3
    write_noise: float = 0.0
    read_noise: float = 0.06

    def bends(self, birth: Fabrication, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        del birth, bottom  # steps do not shrink
        return torch.zeros_like(top), torch.zeros_like(top)
