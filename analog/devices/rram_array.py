"""Two arrays of resistive memory as measured cell by cell, with the cells that do not work.

Gong, Rasch et al., "Deep learning acceleration in 14 nm CMOS compatible ReRAM array: device, material and
algorithm co-optimization", IEDM 2022. Provenance: the fits in circulation for the optimised material (OM)
and for the baseline HfO2: step, its lognormal spread, cycle noise, asymmetry spread .01, bounds +-1 with
spread, write noise; yield loss 13.48 % and 9.77 %. read_noise: Guess, usual output noise of simulated
periphery.

Law: soft bounds, as in `soft_bounds_rram`, with few states. A dead cell stays within a hundredth of zero.
Where we differ and why: a step's noise is in proportion to the step; the point of equal steps is taken to
be subtracted without error.
"""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from ..randomness import Fabrication
from .pulsed import Pulsed
from .pulsed import PulsedCells


@dataclass(frozen=True)
class RRAMArray(Pulsed):
    """Coarse soft-bounded cells, some dead. The defaults are the optimised material (about 20 states);
    `RRAMArray.hfo2()` is the other (about 4). Valid for steps up to half the range.
    """

    step: float = 0.0949  # median between cells
    step_spread: float = 0.7829  # sd of ln(step) between cells
    asymmetry: float = 0.0
    asymmetry_spread: float = 0.01
    top: float = 1.0
    bottom: float = -1.0
    top_spread: float = 0.3499
    bottom_spread: float = 0.5695
    cycle_noise: float = 0.4158
    write_noise: float = 1.4113
    read_noise: float = 0.06
    dead: float = 0.1348  # share of cells that no pulse moves
    stuck_within: float = 0.01  # full scale, where dead cells sit around zero

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dead < 1 or not 0 <= self.stuck_within <= 1:
            raise ValueError(f"RRAMArray: dead is a share below 1, stuck_within at most 1, got {self}")

    @classmethod
    def hfo2(cls) -> Self:
        """The baseline HfO2 array."""
        return cls(
            step=0.4622,
            step_spread=0.7125,
            top_spread=0.4295,
            bottom_spread=0.5990,
            cycle_noise=0.2174,
            write_noise=0.5841,
            dead=0.0977,
        )

    def steps(self, spread: Tensor) -> Tensor:
        return self.step * (self.step_spread * spread).exp()

    def bends(self, birth: Fabrication, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        del birth  # the bounds say it all
        return 1 / top, 1 / bottom

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PulsedCells:
        cells = super().fabricate(rows, cols, birth)
        dead = birth.uniform("dead", rows, cols) < self.dead
        stuck = self.stuck_within * (2 * birth.uniform("stuck", rows, cols) - 1)

        def held(alive: Tensor, otherwise: Tensor) -> Tensor:
            return torch.where(dead, otherwise, alive)

        return cells._replace(
            knobs=held(cells.knobs, stuck),
            weights=held(cells.weights, stuck),
            top=held(cells.top, stuck),
            bottom=held(cells.bottom, stuck),
        )
