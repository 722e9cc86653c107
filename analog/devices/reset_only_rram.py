"""Filamentary RRAM that learns by reset pulses alone: pairs of cells whose conductances can only fall.

Renaudineau et al., "Forward-only learning in memristor arrays with month-scale stability" (2026,
https://arxiv.org/abs/2601.09903): HfOx/Ti arrays of up to 8,064 cells, updated by single reset pulses below
1 V that are not verified, whose states stay for a month. Provenance: its abstract says that cells are only
reset, by single pulses, and that states do not drift. Guess, all else: that a pulse takes a fixed share off a
conductance, the size and the spread of that share, the range, and that pairs begin, and are programmed, with
as much to take off as they can hold.

Mapping: w = G+ - G-, both from 0 to about one full scale. A drive upwards pulses G-, one downwards G+. A
pulse leaves G (1 - step (1 + cycle_to_cycle_std xi)) of a conductance G, so that a train of n leaves
(1 - step)^n of it in the mean, with a variance of

    ((1 - step)^2 + (step cycle_to_cycle_std)^2)^n - (1 - step)^(2 n)

A fraction of a pulse is sent by chance. What is taken off never comes back: with every update a pair can do
less, and one whose falling cell is empty does nothing more in that direction.
"""

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
from .pulsed import SMALLEST_SHARE, train_length


class ResetOnlyCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), plus - minus, which is also what reads show
    plus: Tensor  # (*fleet, tiles, rows, cols), full scale
    minus: Tensor  # (*fleet, tiles, rows, cols), full scale
    step_plus: Tensor  # (*fleet, tiles, rows, cols), share that a pulse takes off
    step_minus: Tensor  # (*fleet, tiles, rows, cols)
    w_max_plus: Tensor  # (*fleet, tiles, rows, cols), what a full cell holds
    w_max_minus: Tensor  # (*fleet, tiles, rows, cols)


@dataclass(frozen=True)
class ResetOnlyRRAM(Device[ResetOnlyCells]):
    """Pairs of cells that only reset, and are never set again.

    Raises:
        ValueError: a setting is out of its range.
    """

    step: float = setting(
        0.02, "mean share of a conductance that one pulse takes off", range=(0, 0.5), closed="neither"
    )
    step_dtod: float = setting(0.3, "relative sd of the share between cells", range=(0, inf))
    w_max: float = setting(
        1.0, "mean conductance of a full cell", unit="full scale", range=(0, inf), closed="neither"
    )
    w_max_dtod: float = setting(0.1, "relative sd of that between cells", range=(0, inf))
    cycle_to_cycle_std: float = setting(0.5, "sd of what one pulse takes off", unit="steps", range=(0, 10))
    expected_step: float = setting(
        0.015,
        "knob change that the controller expects of one pulse",
        unit="full scale",
        range=(0, inf),
        closed="neither",
        fitted=False,
    )
    read_noise: float = setting(0.06, "white noise of every reading", unit="V rms", range=(0, inf))

    @property
    def costs(self) -> Costs:
        return Costs(step=self.expected_step)  # joules and seconds: Guess, the defaults of Costs

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> ResetOnlyCells:
        def draw(name: str, mean: float, dtod: float) -> Tensor:
            return mean * (1 + dtod * birth.normal(name, rows, cols)).clamp(min=SMALLEST_SHARE)

        tops = draw("top plus", self.w_max, self.w_max_dtod), draw("top minus", self.w_max, self.w_max_dtod)
        plus, minus = _full(birth.normal("knobs", rows, cols) / cols**0.5, *tops)
        return ResetOnlyCells(
            knobs=plus - minus,
            plus=plus,
            minus=minus,
            step_plus=draw("step plus", self.step, self.step_dtod).clamp(max=1.0),
            step_minus=draw("step minus", self.step, self.step_dtod).clamp(max=1.0),
            w_max_plus=tops[0],
            w_max_minus=tops[1],
        )

    def pulse(self, cells: ResetOnlyCells, drive: Tensor, noise: Noise) -> ResetOnlyCells:
        count = noise.stochastic_round(train_length(drive, self.expected_step))
        programmed = cells.knobs != cells.plus - cells.minus  # somebody set the knobs, and filled the pair
        new_plus, new_minus = _full(cells.knobs, cells.w_max_plus, cells.w_max_minus)
        plus = torch.where(programmed, new_plus, cells.plus)
        minus = torch.where(programmed, new_minus, cells.minus)
        rising = drive > 0
        start, step = torch.where(rising, minus, plus), torch.where(rising, cells.step_minus, cells.step_plus)
        left = self._reset(start, count, step, noise.normal(drive))
        plus, minus = torch.where(rising, plus, left), torch.where(rising, left, minus)
        plus, minus = (
            torch.where(drive != 0, new, old) for new, old in ((plus, cells.plus), (minus, cells.minus))
        )
        return cells._replace(
            knobs=torch.where(drive != 0, plus - minus, cells.knobs), plus=plus, minus=minus
        )

    def _reset(self, start: Tensor, count: Tensor, step: Tensor, normals: Tensor) -> Tensor:
        """What trains leave of conductances; their mean and spread exactly, but for being held in range."""
        left = 1 - step
        mean = left**count
        spread = (left.square() + (self.cycle_to_cycle_std * step).square()) ** count - mean.square()
        return (start * (mean + spread.clamp(min=0).sqrt() * normals)).clamp(min=0).minimum(start)

    def collect(self, cells: ResetOnlyCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.knobs.mT

    def weights(self, cells: ResetOnlyCells) -> Tensor:
        return cells.knobs

    def sense(self, cells: ResetOnlyCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: ResetOnlyCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """One cell of each pair is reset, then the other, step by step."""
        return MeasurementPlan.trains(cells, [0, 1, 2, 4, 8, 0, -1, -2, -4, -8, 0, 8, 16, 32, 0, -32])


def _full(knobs: Tensor, w_max_plus: Tensor, w_max_minus: Tensor) -> tuple[Tensor, Tensor]:
    """Both cells of pairs that hold these knobs with as much as they can left to take off."""
    shared = torch.minimum(w_max_plus - knobs, w_max_minus).clamp(min=0)  # of the minus cell
    plus = (knobs + shared).clamp(min=0).minimum(w_max_plus)
    return plus, shared
