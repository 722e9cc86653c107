"""Pulsed resistive memory whose steps shrink towards soft bounds.

Gong et al., "Signal and noise extraction from analog memory elements for neuromorphic computing", Nature
Communications 9 (2018), https://doi.org/10.1038/s41467-018-04485-1. Provenance: loose fit, the parameters in
circulation for a soft-bounds reading of that ReRAM data (step .002 spread .3, cycle noise 3.75 steps, bounds
1.25/-.75 spread .24/.4, up/down asymmetry spread .01, write noise 56 steps).

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

    Raises:
        ValueError: a setting is out of its range, or `step` above a tenth of the range of knobs.
    """

    step: float = 0.002
    step_dtod: float = 0.3
    up_down: float = 0.0
    up_down_dtod: float = 0.01
    w_max: float = 1.25
    w_min: float = -0.75
    w_max_dtod: float = 0.24
    w_min_dtod: float = 0.4
    cycle_to_cycle_std: float = 3.75
    write_noise: float = 56.0
    read_noise: float = 0.06

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > 0.1 * (self.w_max - self.w_min):
            raise ValueError(f"SoftBoundsRRAM: step is {self.step}; wanted up to a tenth of the range")

    def step_slopes(self, birth: Fabrication, w_max: Tensor, w_min: Tensor) -> tuple[Tensor, Tensor]:
        del birth  # the bounds say it all
        return 1 / w_max, 1 / w_min
