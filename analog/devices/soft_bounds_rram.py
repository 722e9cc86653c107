"""Pulsed resistive memory whose steps shrink towards soft bounds.

Gong et al., "Signal and noise extraction from analog memory elements for neuromorphic computing",
Nature Communications 9 (2018). Provenance: loose fit, the parameters in circulation for a soft-bounds
reading of that ReRAM data (step .002 spread .3, cycle noise 3.75 steps, bounds 1.25/-.75 spread .24/.4,
up/down asymmetry spread .01, write noise 56 steps).

Where we differ and why: a step's noise is in proportion to the step, here as in all our pulsed cells;
the public parameter set adds noise of one size everywhere. A train's mean is exact at any step size.
"""

from dataclasses import dataclass

from torch import Tensor

from ..randomness import Fabrication
from .pulsed import Pulsed


@dataclass(frozen=True)
class SoftBoundsRRAM(Pulsed):
    """A pulse moves w by step * (1 - w / bound). Granular, bounded, noisy. Valid for steps below a tenth
    of the range.
    """

    step: float = 0.002
    step_spread: float = 0.3
    asymmetry: float = 0.0
    asymmetry_spread: float = 0.01
    top: float = 1.25
    bottom: float = -0.75
    top_spread: float = 0.24
    bottom_spread: float = 0.4
    cycle_noise: float = 3.75
    write_noise: float = 56.0
    read_noise: float = 0.06

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > 0.1 * (self.top - self.bottom):
            raise ValueError(f"SoftBoundsRRAM: step is {self.step}, valid up to a tenth of the range")

    def bends(self, birth: Fabrication, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        del birth  # the bounds say it all
        return 1 / top, 1 / bottom
