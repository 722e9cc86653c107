"""What pulsed cells have in common: granular steps, bounds, and noise of steps and of what is shown.

One knob is one cell against a reference that does not change: w = (G - G_ref) / full scale. A drive is
sent as a train of n equal pulses, n = |drive| / step, a fraction of a pulse by chance. The train is
applied at once (see `trains`): its mean exactly or to a few per cent as the law allows, its noise as
cycle_noise * (last step) * sqrt(n), exact to first order in the noise. A train stops at the cell's own
bounds. After every train the cell shows a fresh offset (write noise) around its persistent state.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from dataclasses import fields
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Fabrication
from ..randomness import Noise
from ..spec import Costs
from .trains import affine

TINY = 0.05  # of the mean: keeps a Gaussian tail from giving a cell no step or no range


class PulsedCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), the persistent state
    weights: Tensor  # what reads show: knobs and the write noise of the last train
    up: Tensor  # step upwards from zero
    down: Tensor  # step downwards from zero, positive
    top: Tensor  # upper bound
    bottom: Tensor  # lower bound
    bend_up: Tensor  # how steps upwards shrink as the knob rises, 1 / full scale
    bend_down: Tensor  # how steps downwards shrink as the knob falls, negative
    leak: Tensor  # 1/s
    idle: Tensor  # (*fleet, tiles, 1, 1), s of leakage not yet worked out


@dataclass(frozen=True)
class Pulsed(Device[PulsedCells]):
    """A cell moved by pulses; a technology states the numbers and, where it is not affine, the law."""

    step: float  # mean knob change of one pulse at zero, full scale
    step_spread: float  # relative sd between cells
    asymmetry: float  # mean of (up - down) / (up + down) at zero
    asymmetry_spread: float  # sd of it between cells
    top: float  # full scale
    bottom: float  # full scale
    top_spread: float  # relative sd between cells
    bottom_spread: float  # relative sd between cells
    cycle_noise: float  # sd of one pulse's step, in units of that step
    write_noise: float  # sd of what is shown around the persistent state, in units of `step`
    read_noise: float  # V rms, white noise of every reading

    def __post_init__(self) -> None:
        name = type(self).__name__
        if not self.bottom < 0 < self.top or not 0 < self.step <= 0.5 * (self.top - self.bottom):
            raise ValueError(f"{name}: wants 0 < step <= range/2 and bottom < 0 < top, got {self}")
        if not -1 < self.asymmetry < 1:
            raise ValueError(f"{name}: asymmetry is {self.asymmetry}, valid between -1 and 1")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.endswith(("spread", "noise", "read_noise")) and not 0 <= value < math.inf:
                raise ValueError(f"{name}: {field.name} is {value}; spreads and noise are finite and >= 0")

    @property
    def costs(self) -> Costs:
        return Costs(step=self.step)  # joules and seconds: Guess, the defaults of Costs

    @abstractmethod
    def bends(self, birth: Fabrication, top: Tensor, bottom: Tensor) -> tuple[Tensor, Tensor]:
        """How steps shrink with the knob: (up, down), each zero or of the sign of its bound."""
        ...

    def steps(self, spread: Tensor) -> Tensor:
        """Each cell's mean step, given standard normals."""
        return self.step * (1 + self.step_spread * spread).clamp(min=TINY)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PulsedCells:
        step = self.steps(birth.normal("step", rows, cols))
        tilt = self.asymmetry + self.asymmetry_spread * birth.normal("asymmetry", rows, cols)
        top = self.top * (1 + self.top_spread * birth.normal("top", rows, cols)).clamp(min=TINY)
        bottom = self.bottom * (1 + self.bottom_spread * birth.normal("bottom", rows, cols)).clamp(min=TINY)
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(bottom, top)
        bend_up, bend_down = self.bends(birth, top, bottom)
        none = torch.zeros_like(birth.normal("leak", 1, 1))
        return PulsedCells(
            knobs=knobs,
            weights=knobs + self.step * self.write_noise * birth.normal("shown", rows, cols),
            up=step * (1 + tilt),
            down=step * (1 - tilt),
            top=top,
            bottom=bottom,
            bend_up=bend_up,
            bend_down=bend_down,
            leak=none,
            idle=none.clone(),
        )

    def travel(self, cells: PulsedCells, count: Tensor, rising: Tensor) -> tuple[Tensor, Tensor]:
        """Where trains of `count` pulses end without noise, and their last steps."""
        step = torch.where(rising, cells.up, -cells.down)
        return affine(cells.knobs, count, step, torch.where(rising, cells.bend_up, cells.bend_down))

    def pulse(self, cells: PulsedCells, drive: Tensor, noise: Noise) -> PulsedCells:
        count = noise.stochastic_round(drive.abs() / self.step)  # a fraction is sent by chance
        end, last = self.travel(cells, count, drive > 0)
        end = end + self.cycle_noise * last * count.sqrt() * noise.normal(drive)
        # A dead cell has coinciding bounds: clamping every cell holds it, even while others are erased.
        touched = (count > 0) & (cells.top > cells.bottom)
        knobs = torch.where(touched, end, cells.knobs).clamp(cells.bottom, cells.top)
        shown = cells.weights + (knobs - cells.knobs)
        if self.write_noise:
            fresh = knobs + self.step * self.write_noise * noise.normal(drive)
            shown = torch.where(touched, fresh, shown)
        else:
            shown = torch.where(touched, knobs, shown)
        return cells._replace(knobs=knobs, weights=shown)

    def perturb(self, cells: PulsedCells, offset: Tensor) -> PulsedCells:
        return cells._replace(knobs=cells.knobs + offset, weights=cells.weights + offset)

    def collect(self, cells: PulsedCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.weights.mT

    def sense(self, cells: PulsedCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: PulsedCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()

    def bounds(self, cells: PulsedCells) -> tuple[Tensor, Tensor]:
        return cells.bottom, cells.top
