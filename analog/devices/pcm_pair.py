"""Phase-change memory pulsed in place: two cells that can only grow, and are erased when they are full.

Nandakumar et al., "Mixed-precision deep learning based on computational memory", Frontiers in
Neuroscience 14 (2020). Provenance: the exponential-step fit in circulation (step .01 spread .2, cycle
noise .6 steps, top 2 spread .1, height 27.235, steepness 2.5, reset to .01). Guess: erased at three
quarters of the range; read noise, the usual output noise of simulated periphery.

Mapping: w = G+ - G-, both from 0 to 2 full scales. A drive upwards pulses G+, one downwards G-. A pulse
moves G by step * (1 + height * exp(-2 * steepness * G / top)): 28 nominal steps when empty, 1.2 when full.
Since 13 pulses bring an empty cell to 1, n = |drive| / reach with reach = .075, a fraction by chance.
After its first pulse a train runs along the smooth flow (see `trains`), at most 5 % short of its pulses.
When either cell passes `full`, both are reset and the difference is written into one of them.

Where we differ and why: the fit's two further terms of cycle noise are left out; a pair is refreshed when
it is full, not every so many updates, since the chip knows no updates; the rewriting train's mean is taken
as exact (a closed loop), its noise is that of a train.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Fabrication
from ..randomness import Noise
from ..spec import Costs
from .pulsed import TINY
from .trains import exponential


class PairCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), plus - minus, which is also what reads show
    plus: Tensor  # (*fleet, tiles, rows, cols)
    minus: Tensor  # (*fleet, tiles, rows, cols)
    step_plus: Tensor  # (*fleet, tiles, rows, cols)
    step_minus: Tensor  # (*fleet, tiles, rows, cols)
    top_plus: Tensor  # (*fleet, tiles, rows, cols)
    top_minus: Tensor  # (*fleet, tiles, rows, cols)


@dataclass(frozen=True)
class PCMPair(Device[PairCells]):
    """One-sided cells in pairs, with saturation and refresh. Valid for 0 < full < 1, height up to 50."""

    step: float = 0.01  # growth by one pulse of a nearly full cell, full scale
    step_spread: float = 0.2  # relative sd between cells
    top: float = 2.0  # full scale
    top_spread: float = 0.1  # relative sd between cells
    height: float = 27.235
    steepness: float = 2.5
    cycle_noise: float = 0.6  # sd of one pulse's step, in units of that step
    full: float = 0.75  # of the top: beyond it a pair is refreshed
    left: float = 0.01  # full scale, mean of what a reset leaves
    reach: float = 0.075  # knob change that the controller expects of one pulse, full scale
    read_noise: float = 0.06  # V rms, white noise of every reading

    def __post_init__(self) -> None:
        if not (0 < self.step <= 0.02 and 0 <= self.height <= 50 and 0 < self.steepness <= 5):
            raise ValueError(
                f"PCMPair: wants step in (0, .02], height in [0, 50], steepness in (0, 5]: {self}"
            )
        if not (0 < self.full < 1 and 0 < self.reach <= self.top and 0 <= self.left < self.full * self.top):
            raise ValueError(f"PCMPair: wants full in (0, 1), reach and left below the top, got {self}")
        spreads = (self.step_spread, self.top_spread, self.cycle_noise, self.read_noise)
        if not all(0 <= s < math.inf for s in spreads):
            raise ValueError(f"PCMPair: spreads and noise are finite and at least 0, got {self}")

    @property
    def costs(self) -> Costs:
        return Costs(step=self.reach)  # joules and seconds: Guess, the defaults of Costs

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> PairCells:
        def spread(name: str, mean: float, relative: float) -> Tensor:
            return mean * (1 + relative * birth.normal(name, rows, cols)).clamp(min=TINY)

        top_plus, top_minus = (spread(f"top {s}", self.top, self.top_spread) for s in ("plus", "minus"))
        fresh = birth.normal("knobs", rows, cols) / cols**0.5
        plus = fresh.clamp(min=0).minimum(self.full * top_plus)
        minus = (-fresh).clamp(min=0).minimum(self.full * top_minus)
        return PairCells(
            knobs=plus - minus,
            plus=plus,
            minus=minus,
            step_plus=spread("step plus", self.step, self.step_spread),
            step_minus=spread("step minus", self.step, self.step_spread),
            top_plus=top_plus,
            top_minus=top_minus,
        )

    def pulse(self, cells: PairCells, drive: Tensor, noise: Noise) -> PairCells:
        count = noise.stochastic_round(drive.abs() / self.reach)  # a fraction is sent by chance
        erased = cells.knobs != cells.plus - cells.minus  # somebody set the knobs: one cell holds them
        plus = torch.where(erased, cells.knobs.clamp(min=0), cells.plus)
        minus = torch.where(erased, (-cells.knobs).clamp(min=0), cells.minus)
        rising = drive > 0
        start, step, top = (
            torch.where(rising, up, down)
            for up, down in (
                (plus, minus),
                (cells.step_plus, cells.step_minus),
                (cells.top_plus, cells.top_minus),
            )
        )
        grown = self._grown(start, count, step, top, noise.normal(drive))
        plus, minus = torch.where(rising, grown, plus), torch.where(rising, minus, grown)
        plus, minus = self._refreshed(cells, plus, minus, noise)
        return cells._replace(knobs=plus - minus, plus=plus, minus=minus)

    def _grown(self, start: Tensor, count: Tensor, step: Tensor, top: Tensor, normals: Tensor) -> Tensor:
        rate = -2 * self.steepness / top
        height = torch.full_like(start, self.height)
        end, last = exponential(start, count, step, height, rate, torch.zeros_like(start))
        end = end + self.cycle_noise * last * count.sqrt() * normals
        return torch.where(count > 0, end.clamp(min=0).minimum(top), start)

    def _refreshed(
        self, cells: PairCells, plus: Tensor, minus: Tensor, noise: Noise
    ) -> tuple[Tensor, Tensor]:
        """Pairs with a full cell, reset and written anew; the others as they are."""
        full = (plus > self.full * cells.top_plus) | (minus > self.full * cells.top_minus)
        if not bool(full.any()):
            return plus, minus
        rest = plus - minus
        held = rest.abs().minimum(self.full * torch.where(rest > 0, cells.top_plus, cells.top_minus))
        step = torch.where(rest > 0, cells.step_plus, cells.step_minus)
        top = torch.where(rest > 0, cells.top_plus, cells.top_minus)
        last = step * (1 + self.height * (-2 * self.steepness * held / top).exp())
        normals = noise.normal(plus)
        written = (held + self.cycle_noise * last * (held / self.reach).sqrt() * normals).clamp(min=0)
        left = self.left * 2 * noise.uniform(plus)
        anew_plus = left + torch.where(rest > 0, written, torch.zeros_like(rest))
        anew_minus = left + torch.where(rest > 0, torch.zeros_like(rest), written)
        return torch.where(full, anew_plus, plus), torch.where(full, anew_minus, minus)

    def collect(self, cells: PairCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.knobs.mT

    def sense(self, cells: PairCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: PairCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()
