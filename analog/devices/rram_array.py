"""Two arrays of resistive memory as measured cell by cell, with the cells that do not work.

Gong, Rasch et al., "Deep learning acceleration in 14 nm CMOS compatible ReRAM array: device, material and
algorithm co-optimization", IEDM 2022, https://doi.org/10.1109/IEDM45625.2022.10019569. Provenance: the fits
in circulation for the optimised material (OM) and for the baseline HfO2: step, its lognormal spread, cycle
noise, up/down spread .01, bounds +-1 with spread, write noise; yield loss 13.48 % and 9.77 %. read_noise:
Guess, usual output noise of simulated periphery.

Law: soft bounds, as in `soft_bounds_rram`, with few states. A dead cell stays within a hundredth of zero.
Where we differ and why: a step's noise is in proportion to the step; the point of equal steps is taken to
be subtracted without error.
"""

from dataclasses import dataclass
from math import inf
from typing import Self

import torch
from torch import Tensor

from ..randomness import Fabrication
from ..settings import setting
from .pulsed import Pulsed, PulsedCells


@dataclass(frozen=True)
class RRAMArray(Pulsed):
    """Coarse soft-bounded cells, some dead. The defaults are the optimised material (about 20 states);
    `RRAMArray.hfo2()` is the other (about 4). Valid for steps up to half the range.
    """

    step: float = setting(
        0.0949,
        "median knob change of one pulse at zero (aihwkit: dw_min)",
        unit="full scale",
        range=(0, inf),
        closed="neither",
    )
    step_dtod: float = setting(0.7829, "sd of ln(step) between cells (dw_min_dtod)", range=(0, inf))
    up_down: float = 0.0
    up_down_dtod: float = 0.01
    w_max: float = 1.0
    w_min: float = -1.0
    w_max_dtod: float = 0.3499
    w_min_dtod: float = 0.5695
    cycle_to_cycle_std: float = 0.4158
    write_noise: float = 1.4113
    read_noise: float = 0.06
    dead: float = setting(
        0.1348, "share of cells that no pulse moves (corrupt_devices_prob)", range=(0, 1), closed="left"
    )
    stuck_within: float = setting(
        0.01, "reach around zero of dead cells (corrupt_devices_range)", unit="full scale", range=(0, 1)
    )

    @classmethod
    def hfo2(cls) -> Self:
        """The baseline HfO2 array."""
        return cls(
            step=0.4622,
            step_dtod=0.7125,
            w_max_dtod=0.4295,
            w_min_dtod=0.5990,
            cycle_to_cycle_std=0.2174,
            write_noise=0.5841,
            dead=0.0977,
        )

    def mean_steps(self, normals: Tensor) -> Tensor:
        return self.step * (self.step_dtod * normals).exp()

    def step_slopes(self, birth: Fabrication, w_max: Tensor, w_min: Tensor) -> tuple[Tensor, Tensor]:
        del birth  # the bounds say it all
        return 1 / w_max, 1 / w_min

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PulsedCells:
        cells = super().fabricate(rows, cols, birth)
        dead = birth.uniform("dead", rows, cols) < self.dead
        stuck = self.stuck_within * (2 * birth.uniform("stuck", rows, cols) - 1)

        return cells._replace(
            knobs=torch.where(dead, stuck, cells.knobs),
            weights=torch.where(dead, stuck, cells.weights),
            w_max=torch.where(dead, stuck, cells.w_max),
            w_min=torch.where(dead, stuck, cells.w_min),
        )
