"""Phase-change memory pulsed in place: two cells that can only grow, and are erased when they are full.

Nandakumar et al., "Mixed-precision deep learning based on computational memory", Frontiers in Neuroscience 14
(2020), https://doi.org/10.3389/fnins.2020.00406. Provenance: the exponential-step fit in circulation (step
.01 spread .2, cycle noise .6 steps, top 2 spread .1, height 27.235, steepness 2.5, reset to .01). Guess:
erased at three quarters of the range; read noise, the usual output noise of simulated periphery.

Mapping: w = G+ - G-, both from 0 to 2 full scales. A drive upwards pulses G+, one downwards G-. A pulse
moves G by step * (1 + height * exp(-2 * steepness * G / w_max)): 28 nominal steps when empty, 1.2 when full.
Since 13 pulses bring an empty cell to 1, n = |drive| / expected_step, which is .075, a fraction by chance.
After its first pulse a train runs along the smooth flow (see `trains`), at most 5 % short of its pulses.
When either cell passes `refresh_above`, both are reset and the difference is written into one of them.

Where we differ and why: the fit's two further terms of cycle noise are left out; a pair is refreshed when
it is full, not every so many updates, since the chip knows no updates; the rewriting train's mean is taken
as exact (a closed loop), its noise is that of a train.
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
from .trains import exponential


class PairCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), plus - minus, which is also what reads show
    plus: Tensor  # (*fleet, tiles, rows, cols)
    minus: Tensor  # (*fleet, tiles, rows, cols)
    step_plus: Tensor  # (*fleet, tiles, rows, cols)
    step_minus: Tensor  # (*fleet, tiles, rows, cols)
    w_max_plus: Tensor  # (*fleet, tiles, rows, cols)
    w_max_minus: Tensor  # (*fleet, tiles, rows, cols)


@dataclass(frozen=True)
class PCMPair(Device[PairCells]):
    """One-sided cells in pairs, with saturation and refresh. Valid for heights up to 50.

    Raises:
        ValueError: a setting is out of its range, or steps or resets do not fit the range of a cell.
    """

    step: float = setting(
        0.01,
        "growth by one pulse of a nearly full cell (aihwkit: dw_min)",
        unit="full scale",
        range=(0, 0.02),
        closed="right",
    )
    step_dtod: float = setting(0.2, "relative sd of the step between cells (dw_min_dtod)", range=(0, inf))
    w_max: float = setting(
        2.0, "mean upper bound of a cell (w_max)", unit="full scale", range=(0, inf), closed="neither"
    )
    w_max_dtod: float = setting(
        0.1, "relative sd of the upper bound between cells (w_max_dtod)", range=(0, inf)
    )
    height: float = setting(27.235, "of the exponential (A_up)", range=(0, 50))
    steepness: float = setting(2.5, "of the exponential (gamma_up)", range=(0, 5), closed="right")
    cycle_to_cycle_std: float = setting(
        0.6, "sd of one pulse's step (dw_min_std)", unit="steps", range=(0, inf)
    )
    refresh_above: float = setting(
        0.75,
        "share of the upper bound beyond which a pair is refreshed (refresh_upper_thres)",
        range=(0, 1),
        closed="neither",
        fitted=False,
    )
    reset_mean: float = setting(
        0.01, "mean of what a reset leaves (reset)", unit="full scale", range=(0, inf)
    )
    expected_step: float = setting(
        0.075,
        "knob change that the controller expects of one pulse",
        unit="full scale",
        range=(0, inf),
        closed="neither",
        fitted=False,
    )
    read_noise: float = setting(
        0.06, "white noise of every reading (out_noise)", unit="V rms", range=(0, inf)
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.expected_step > self.w_max:
            raise ValueError(f"PCMPair: expected_step is {self.expected_step}; wanted up to w_max")
        if self.reset_mean >= self.refresh_above * self.w_max:
            raise ValueError(f"PCMPair: reset_mean is {self.reset_mean}; wanted below refresh_above * w_max")

    @property
    def costs(self) -> Costs:
        return Costs(step=self.expected_step)  # joules and seconds: Guess, the defaults of Costs

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PairCells:
        def draw(name: str, mean: float, dtod: float) -> Tensor:
            return mean * (1 + dtod * birth.normal(name, rows, cols)).clamp(min=SMALLEST_SHARE)

        w_max_plus = draw("top plus", self.w_max, self.w_max_dtod)
        w_max_minus = draw("top minus", self.w_max, self.w_max_dtod)
        fresh = birth.normal("knobs", rows, cols) / cols**0.5
        plus = fresh.clamp(min=0).minimum(self.refresh_above * w_max_plus)
        minus = (-fresh).clamp(min=0).minimum(self.refresh_above * w_max_minus)
        return PairCells(
            knobs=plus - minus,
            plus=plus,
            minus=minus,
            step_plus=draw("step plus", self.step, self.step_dtod),
            step_minus=draw("step minus", self.step, self.step_dtod),
            w_max_plus=w_max_plus,
            w_max_minus=w_max_minus,
        )

    def pulse(self, cells: PairCells, drive: Tensor, noise: Noise) -> PairCells:
        count = noise.stochastic_round(
            train_length(drive, self.expected_step)
        )  # a fraction is sent by chance
        erased = cells.knobs != cells.plus - cells.minus  # somebody set the knobs: one cell holds them
        plus = torch.where(erased, cells.knobs.clamp(min=0), cells.plus)
        minus = torch.where(erased, (-cells.knobs).clamp(min=0), cells.minus)
        rising = drive > 0
        start, step, w_max = (
            torch.where(rising, up, down)
            for up, down in (
                (plus, minus),
                (cells.step_plus, cells.step_minus),
                (cells.w_max_plus, cells.w_max_minus),
            )
        )
        grown = self._grow(start, count, step, w_max, noise.normal(drive))
        plus, minus = torch.where(rising, grown, plus), torch.where(rising, minus, grown)
        plus, minus = self._refresh(cells, plus, minus, drive != 0, noise)
        return cells._replace(knobs=plus - minus, plus=plus, minus=minus)

    def _grow(self, start: Tensor, count: Tensor, step: Tensor, w_max: Tensor, normals: Tensor) -> Tensor:
        rate = -2 * self.steepness / w_max
        height = torch.full_like(start, self.height)
        end, last = exponential(start, count, step, height, rate, torch.zeros_like(start))
        end = end + self.cycle_to_cycle_std * last * count.sqrt() * normals
        return torch.where(count > 0, end.clamp(min=0).minimum(w_max), start)

    def _refresh(
        self, cells: PairCells, plus: Tensor, minus: Tensor, driven: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """Pairs that were driven and have a full cell, reset and written anew; the others as they are.

        Noise is drawn for all pairs: a chip's next draws do not hang on who was refreshed.
        """
        saturated = (plus > self.refresh_above * cells.w_max_plus) | (
            minus > self.refresh_above * cells.w_max_minus
        )
        rest = plus - minus
        step = torch.where(rest > 0, cells.step_plus, cells.step_minus)
        w_max = torch.where(rest > 0, cells.w_max_plus, cells.w_max_minus)
        wanted = rest.abs().minimum(self.refresh_above * w_max)
        last = step * (1 + self.height * (-2 * self.steepness * wanted / w_max).exp())
        std = self.cycle_to_cycle_std * last * (wanted / self.expected_step).sqrt()
        written = (wanted + std * noise.normal(plus)).clamp(min=0)
        reset = self.reset_mean * 2 * noise.uniform(plus)
        new_plus = reset + torch.where(rest > 0, written, torch.zeros_like(rest))
        new_minus = reset + torch.where(rest > 0, torch.zeros_like(rest), written)
        renewed = saturated & driven
        return torch.where(renewed, new_plus, plus), torch.where(renewed, new_minus, minus)

    def collect(self, cells: PairCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.knobs.mT

    def weights(self, cells: PairCells) -> Tensor:
        return cells.knobs

    def sense(self, cells: PairCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: PairCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Growth of one cell of the pair, then of the other, up to their refresh and beyond it."""
        return MeasurementPlan.trains(cells, [0, 1, 2, 4, 8, 0, -1, -2, -4, -8, 0, 8, 16, 32, 0, -32])
