"""What pulsed cells have in common: granular steps, bounds, and noise of steps and of what is shown.

One knob is one cell against a reference that does not change: w = (G - G_ref) / full scale. A drive is
sent as a train of n equal pulses, n = |drive| / step, a fraction of a pulse by chance. The train is
applied at once (see `trains`): its mean exactly or to a few per cent as the law allows, its noise as
cycle_to_cycle_std * (last step) * sqrt(n), exact to first order in the noise. A train stops at the cell's
own bounds. After every train the cell shows a fresh offset (write noise) around its persistent state.

Parameters follow those of aihwkit's pulsed devices (https://aihwkit.readthedocs.io), whose names stand
beside ours; `_dtod` is a variation between cells (device to device).
"""

from abc import abstractmethod
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Tensor

from ..costs import Costs
from ..device import Device
from ..measurement import MeasurementPlan
from ..randomness import Fabrication, Noise
from ..settings import setting
from .trains import affine

LONGEST_TRAIN = 1e9  # pulses; beyond any range of knobs, and short of where float32 has no number for noise
SMALLEST_SHARE = 0.05  # of the mean: keeps a Gaussian tail from giving a cell no step or no range


def train_length(drive: Tensor, step: float) -> Tensor:
    """The pulses of each train, whole or not, for a drive of any shape and any finite size."""
    return (drive.abs() / step).clamp(max=LONGEST_TRAIN)


class PulsedCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), the persistent state
    weights: Tensor  # what reads show: knobs and the write noise of the last train
    step_up: Tensor  # step upwards from zero
    step_down: Tensor  # step downwards from zero, positive
    w_max: Tensor  # upper bound
    w_min: Tensor  # lower bound
    slope_up: Tensor  # how steps upwards shrink as the knob rises, 1 / full scale
    slope_down: Tensor  # how steps downwards shrink as the knob falls, negative
    leak_rate: Tensor  # 1/s
    pending_seconds: Tensor  # (*fleet, tiles, 1, 1), s of leakage not yet worked out


@dataclass(frozen=True)
class Pulsed(Device[PulsedCells]):
    """A cell moved by pulses; a technology states the numbers and, where it is not affine, the law.

    Raises:
        ValueError: a setting is out of its range, or `step` above half the range of knobs.
    """

    step: float = setting(
        meaning="mean knob change of one pulse at zero (aihwkit: dw_min)",
        unit="full scale",
        range=(0, inf),
        closed="neither",
    )
    step_dtod: float = setting(meaning="relative sd of the step between cells (dw_min_dtod)", range=(0, inf))
    up_down: float = setting(
        meaning="mean of (up - down) / (up + down) of the steps at zero (up_down)",
        range=(-1, 1),
        closed="neither",
    )
    up_down_dtod: float = setting(meaning="sd of up_down between cells (up_down_dtod)", range=(0, inf))
    w_max: float = setting(
        meaning="mean upper bound (w_max)", unit="full scale", range=(0, inf), closed="neither"
    )
    w_min: float = setting(
        meaning="mean lower bound (w_min)", unit="full scale", range=(-inf, 0), closed="neither"
    )
    w_max_dtod: float = setting(
        meaning="relative sd of the upper bound between cells (w_max_dtod)", range=(0, inf)
    )
    w_min_dtod: float = setting(
        meaning="relative sd of the lower bound between cells (w_min_dtod)", range=(0, inf)
    )
    cycle_to_cycle_std: float = setting(
        meaning="sd of one pulse's step (dw_min_std)", unit="steps", range=(0, inf)
    )
    write_noise: float = setting(
        meaning="sd of what is shown around the persistent state (write_noise_std)",
        unit="steps",
        range=(0, inf),
    )
    read_noise: float = setting(
        meaning="white noise of every reading (out_noise)", unit="V rms", range=(0, inf)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.step > 0.5 * (self.w_max - self.w_min):
            raise ValueError(f"{type(self).__name__}: step is {self.step}; wanted up to half the range")

    @property
    def costs(self) -> Costs:
        return Costs(step=self.step)  # joules and seconds: Guess, the defaults of Costs

    @abstractmethod
    def step_slopes(self, birth: Fabrication, w_max: Tensor, w_min: Tensor) -> tuple[Tensor, Tensor]:
        """How steps shrink with the knob, 1 / full scale: (up, down), each zero or of its bound's sign.

        Args:
            birth: the named draws of these cells.
            w_max: upper bounds of the cells, (*fleet, tiles, rows, cols).
            w_min: lower bounds, the same.
        """
        ...

    def mean_steps(self, normals: Tensor) -> Tensor:
        """Each cell's mean step, from standard normals of the same shape."""
        return self.step * (1 + self.step_dtod * normals).clamp(min=SMALLEST_SHARE)

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PulsedCells:
        step = self.mean_steps(birth.normal("step", rows, cols))
        up_down = self.up_down + self.up_down_dtod * birth.normal("asymmetry", rows, cols)
        w_max = self.w_max * (1 + self.w_max_dtod * birth.normal("top", rows, cols)).clamp(min=SMALLEST_SHARE)
        w_min = self.w_min * (1 + self.w_min_dtod * birth.normal("bottom", rows, cols)).clamp(
            min=SMALLEST_SHARE
        )
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(w_min, w_max)
        slope_up, slope_down = self.step_slopes(birth, w_max, w_min)
        none = torch.zeros_like(knobs[..., :1, :1])
        return PulsedCells(
            knobs=knobs,
            weights=knobs + self.step * self.write_noise * birth.normal("shown", rows, cols),
            step_up=step * (1 + up_down),
            step_down=step * (1 - up_down),
            w_max=w_max,
            w_min=w_min,
            slope_up=slope_up,
            slope_down=slope_down,
            leak_rate=none,
            pending_seconds=none.clone(),
        )

    def train_response(self, cells: PulsedCells, count: Tensor, rising: Tensor) -> tuple[Tensor, Tensor]:
        """Where trains of pulses end without noise, and the size of their last steps.

        Args:
            cells: one layer's.
            count: pulses of each cell's train, (*fleet, tiles, rows, cols).
            rising: which trains go upwards, bool, the same shape.
        """
        step = torch.where(rising, cells.step_up, -cells.step_down)
        return affine(cells.knobs, count, step, torch.where(rising, cells.slope_up, cells.slope_down))

    def pulse(self, cells: PulsedCells, drive: Tensor, noise: Noise) -> PulsedCells:
        count = noise.stochastic_round(train_length(drive, self.step))  # a fraction is sent by chance
        end, last = self.train_response(cells, count, drive > 0)
        end = end + self.cycle_to_cycle_std * last * count.sqrt() * noise.normal(drive)
        # A dead cell has coinciding bounds: clamping every cell holds it, even while others are erased.
        touched = (count > 0) & (cells.w_max > cells.w_min)
        knobs = torch.where(touched, end, cells.knobs).clamp(cells.w_min, cells.w_max)
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

    def weights(self, cells: PulsedCells) -> Tensor:
        return cells.weights

    def sense(self, cells: PulsedCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: PulsedCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()

    def bounds(self, cells: PulsedCells) -> tuple[Tensor, Tensor]:
        return cells.w_min, cells.w_max

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Trains that cross the range both ways in parts, ending in its bounds, with readings in between."""
        parts = (0.0, 0.1, 0.2, 0.4, 0.0, 2.0, 0.0, -0.1, -0.2, -0.4, 0.0, -2.0, 0.0, 0.1, 0.2, 0.4)
        return MeasurementPlan.trains(cells, self.pulses_of_range(parts))

    def pulses_of_range(self, parts: tuple[float, ...]) -> list[int]:
        """Lengths of trains in pulses, from lengths in nominal crossings of the range."""
        crossing = (self.w_max - self.w_min) / self.step
        return [round(part * crossing) for part in parts]
