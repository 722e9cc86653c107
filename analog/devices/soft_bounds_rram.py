"""Pulsed resistive memory whose steps shrink towards soft bounds.

Gong et al., "Signal and noise extraction from analog memory elements for neuromorphic computing",
Nature Communications 9 (2018). Provenance: loose fit, the parameters in circulation for a soft-bounds
reading of that ReRAM data (step .002 spread .3, cycle noise 3.75 steps, bounds 1.25/-.75 spread .24/.4,
up/down asymmetry spread .01, write noise 56 steps).

Where we differ and why: a train of n pulses is applied at once instead of one after another. Each pulse
moves the knob by step * (1 - w/bound) * (1 + cycle * xi). The distance to the bound then shrinks
geometrically, and to first order in the step each pulse's noise shrinks with it, so the train's noise is
cycle * (last step) * sqrt(n) * xi. Exact mean, exact variance to first order, and one draw per train.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..draw import Birth, Noise
from ..port import Costs


class RRAMCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), the persistent state
    shown: Tensor  # what reads show on top of it since the last pulse (write noise)
    up: Tensor  # step upwards from zero
    down: Tensor  # step downwards from zero, positive
    top: Tensor  # upper bound
    bottom: Tensor  # lower bound, negative


@dataclass(frozen=True)
class SoftBoundsRRAM(Device[RRAMCells]):
    """Granular, asymmetric, bounded, noisy. Valid for steps below a tenth of the range."""

    step: float = 0.002  # knob change of one pulse at zero, full scale
    step_spread: float = 0.3  # relative sd between cells
    asymmetry_spread: float = 0.01  # relative sd of (up - down) / 2
    top: float = 1.25  # full scale
    bottom: float = -0.75  # full scale
    top_spread: float = 0.24  # relative sd between cells
    bottom_spread: float = 0.4  # relative sd between cells
    cycle_noise: float = 3.75  # sd of one pulse's step, in units of that step
    write_noise: float = 56.0  # sd of what is shown after a pulse around the persistent state, steps
    hiss: float = 0.06  # V rms, white noise of every reading

    def __post_init__(self) -> None:
        if not 0 < self.step <= 0.1 * (self.top - self.bottom) or not self.bottom < 0 < self.top:
            raise ValueError(f"SoftBoundsRRAM: wants 0 < step <= range/10 and bottom < 0 < top, got {self}")

        rest = (self.step_spread, self.asymmetry_spread, self.top_spread, self.bottom_spread)
        if not all(0 <= s < float("inf") for s in (*rest, self.cycle_noise, self.write_noise, self.hiss)):
            raise ValueError(f"SoftBoundsRRAM: spreads and noise are finite and at least 0, got {self}")

    @property
    def costs(self) -> Costs:
        return Costs(step=self.step)  # joules and seconds: Guess, the defaults of Costs

    def fabricate(self, rows: int, cols: int, birth: Birth) -> RRAMCells:
        tiny = 0.05  # keeps a Gaussian tail from giving a cell no step or no range
        step = self.step * (1 + self.step_spread * birth.normal("step", rows, cols)).clamp(min=tiny)
        tilt = self.asymmetry_spread * birth.normal("asymmetry", rows, cols)
        top = self.top * (1 + self.top_spread * birth.normal("top", rows, cols)).clamp(min=tiny)
        bottom = self.bottom * (1 + self.bottom_spread * birth.normal("bottom", rows, cols)).clamp(min=tiny)
        fresh = birth.normal("knobs", rows, cols) / cols**0.5
        return RRAMCells(
            knobs=torch.minimum(torch.maximum(fresh, bottom), top),
            shown=self.step * self.write_noise * birth.normal("shown", rows, cols),
            up=step * (1 + tilt),
            down=step * (1 - tilt),
            top=top,
            bottom=bottom,
        )

    def pulse(self, cells: RRAMCells, drive: Tensor, noise: Noise) -> RRAMCells:
        count = (drive.abs() / self.step + noise.uniform(drive)).floor()  # a fraction is sent by chance
        bound = torch.where(drive > 0, cells.top, cells.bottom)
        step = torch.where(drive > 0, cells.up, -cells.down)
        shrink = 1 - (step / bound).clamp(max=1.0)  # of the distance to the bound, by one pulse
        left = bound - cells.knobs
        last = (1 - shrink) * left * shrink ** (count - 1).clamp(min=0)
        spread = self.cycle_noise * last.abs() * count.sqrt() * noise.normal(drive)
        moved = bound - left * shrink**count + spread
        moved = torch.minimum(torch.maximum(moved, cells.bottom), cells.top)
        touched = count > 0
        shown = self.step * self.write_noise * noise.normal(drive)
        return cells._replace(
            knobs=torch.where(touched, moved, cells.knobs),
            shown=torch.where(touched, shown, cells.shown),
        )

    def collect(self, cells: RRAMCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ (cells.knobs + cells.shown).mT

    def sense(self, cells: RRAMCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.hiss)

    def fire(self, cells: RRAMCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()
