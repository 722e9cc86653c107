"""The nudge of equilibrium propagation from the wires alone, by its closed form.

What read noise does to an estimate is seen by repeating it, and what the nudge does by doubling it: with
c^p the order of the bias, two estimates differ by (2^p - 1) bias c^p. `best_settings.best_nudge` does the
rest.
"""

from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor

from analog.port import Port

from ..estimators.estimate import judge_baseline
from ..estimators.gradient import knob_gradients
from ..learner import Batch
from ..local.equilibrium import EquilibriumPropagation
from .best_settings import best_nudge

_REPETITIONS: Final = 16  # of an estimate at each of two nudges
_MAX_ROUNDS: Final = 8  # of measuring and moving the nudge to what follows
_FURTHER: Final = 3.0  # a round moves it by at most so much, and by so much where noise hides the bias
_CONVERGED: Final = 1.2  # a round that moves it by less is the last


@dataclass(frozen=True)
class NudgeTuning:
    """The result of tuning a nudge: what was measured at the wires, and what follows."""

    reading: float  # variance of a batch's gradient from read noise at a nudge of 1 V
    bias: float  # length of its bias at a nudge of 1 V; at most, if noise hides it
    nudge: float  # V
    reads: int  # vectors driven through the chip to find out


def tune_nudge(
    learner: EquilibriumPropagation, port: Port, batch: Batch
) -> tuple[EquilibriumPropagation, NudgeTuning]:
    """Find the nudge that the closed form calls best for this chip now; nothing is pulsed.

    Where a nudge shows no bias beyond the noise, as between diodes that do not flip, a larger one is tried.

    Args:
        learner: whose nudge is where the search begins; all else is kept.
        port: the chip to be measured, or a fleet, of which all chips count.
        batch: as large as those to be learned from.

    Returns:
        The learner with that nudge, and what was measured.

    Raises:
        ValueError: the chip does not relax.
    """
    learner.init(port.spec)  # refuses a chip whose signals go one way
    free = port.measure(batch.x)
    output_gradient = judge_baseline(learner.loss, batch.x, batch.target, free).output_gradient
    assert output_gradient is not None  # the loss knows it
    bench = _Bench(port, batch.x, output_gradient, port.spec.vectors(free.out))
    nudge, reading, bias = learner.nudge, 0.0, 0.0
    for _ in range(_MAX_ROUNDS):
        before = nudge
        reading, bias, hidden = bench.measure(replace(learner, nudge=nudge))
        best = best_nudge(reading, bias, learner.nudging)
        best = max(best, nudge * _FURTHER) if hidden else best
        nudge = min(max(best, nudge / _FURTHER), nudge * _FURTHER)
        if max(nudge / before, before / nudge) < _CONVERGED:
            break
    return replace(learner, nudge=nudge), NudgeTuning(reading, bias, nudge, bench.reads)


@dataclass
class _Bench:
    """A chip under test at one batch, and what was spent on it."""

    port: Port
    x: Tensor
    output_gradient: Tensor
    reads: int

    def measure(self, learner: EquilibriumPropagation) -> tuple[float, float, bool]:
        """Variance from read noise and length of the bias, at a nudge of 1, and whether noise hides it."""
        order = 2 if learner.nudging == "centered" else 1
        twice = replace(learner, nudge=2 * learner.nudge)
        pairs = [(self._estimate(learner), self._estimate(twice)) for _ in range(_REPETITIONS)]
        single, double = (torch.stack(each) for each in zip(*pairs, strict=True))
        tiny = 100 * torch.finfo(single.dtype).eps * float(single.norm(dim=-1).mean())
        variance = max(float(single.var(0).sum()), tiny**2)
        moved = double - single
        halves = moved[0::2].mean(0) @ moved[1::2].mean(0)  # noise adds nothing to it
        error = float(moved.var(0).square().sum()) ** 0.5 / (_REPETITIONS / 2)
        square = float(halves)
        hidden = square < 3 * error
        length = max(square, 3 * error, tiny**2) ** 0.5 / (2**order - 1)
        return variance * learner.nudge**2, length / learner.nudge**order, hidden

    def _estimate(self, learner: EquilibriumPropagation) -> Tensor:
        """The gradient at all knobs, (knobs of all layers and chips,)."""
        free: tuple[Tensor, ...] = ()
        if learner.nudging != "centered":
            reading = self.port.measure(self.x)
            free, self.reads = reading.taps, self.reads + self.port.spec.vectors(reading.out)
        found = learner.adjoints(self.port, self.x, free, self.output_gradient)
        self.reads += learner.nudged_states * self.port.spec.vectors(found.states[-1])
        inputs = (self.x, *found.states[:-1])
        knobs = knob_gradients(self.port.spec, found.gradient, inputs, found.states[-1])
        return torch.cat([k.flatten() for k in knobs])
