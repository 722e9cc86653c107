"""PEPG: policy gradients with parameter-based exploration, which learn how far to vary each knob.

Sehnke, Osendorfer, Rückstieß, Graves, Peters and Schmidhuber, "Parameter-exploring policy gradients" (2010),
https://doi.org/10.1016/j.neunet.2009.12.004, with symmetric sampling (algorithm 2): of losses L+ and L- at
w + e and w - e, e normal of sd sigma for each knob, and a fading mean b of losses,

    d w = -mean of e (L+ - L-) / 2,      d sigma = -rate * mean of ((L+ + L-) / 2 - b) (e^2 - sigma^2) / sigma

Where we differ: the way down for w is divided by sigma^2, so that it is the gradient and any update descends
it; differences of losses are divided by their sd over the step, as the source divides them by the largest
reward known, and sigma stays within a factor of ten of where it began.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, Probe
from analog.spec import Knobs, Spec

from ..estimators.distributions import gaussian
from ..estimators.estimate import judge_baseline
from ..learner import Batch, Learner, Step
from ..losses import Loss, require_loss
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update, require_update
from .openai_es import SIGMA

SIGMA_RATE = 0.05
FADING = 0.9  # of the mean loss, a step
RANGE = 10.0  # by which sigma may fall or rise


class PEPGState(NamedTuple):
    """The state of `PEPG` from step to step."""

    update: Any
    sigma: Knobs  # full scale, sd of each knob's exploration
    baseline: Tensor  # (*fleet,), fading mean of losses
    steps: int


@dataclass(frozen=True)
class PEPG:
    """A learner that varies all knobs by mirrored pairs, and learns each knob's own standard deviation.

    Args:
        update: turns the gradient into a drive.
        loss: of the chip's outputs, averaged over the batch, which all pairs share.
        size: full scale, sd of each knob's exploration at the beginning.
        pairs: of a step, two measurements each.
        sigma_rate: how fast standard deviations are learned; 0: they stay.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: a setting is out of its range.
    """

    update: Update
    loss: Loss
    size: float = SIGMA
    pairs: int = 16
    sigma_rate: float = SIGMA_RATE

    def __post_init__(self) -> None:
        require_update(self.update, "PEPG: update")
        require_loss(self.loss, "PEPG")
        if not 0 < self.size < float("inf"):
            raise ValueError(f"PEPG: size is {self.size}, wanted a finite number above 0")
        if isinstance(self.pairs, bool) or not isinstance(self.pairs, int) or self.pairs < 1:
            raise ValueError(f"PEPG: pairs is {self.pairs!r}, wanted an integer of at least 1")
        if not 0 <= self.sigma_rate < float("inf"):
            raise ValueError(f"PEPG: sigma_rate is {self.sigma_rate}, wanted a finite number from 0")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: to the loss, or to the outputs by which that is found."""
        del spec  # whatever the chip
        return Access("outputs" if self.loss.needs_outputs else "loss", node_probes=False)

    def init(self, spec: Spec) -> PEPGState:
        """Make the state in which every knob is varied alike."""
        zeros = spec.zeros()
        none = torch.zeros(spec.fleet, dtype=spec.dtype, device=spec.on)
        return PEPGState(self.update.init(zeros), tuple(z + self.size for z in zeros), none, 0)

    def step(
        self, port: Port, batch: Batch, state: PEPGState, generator: Generator
    ) -> tuple[PEPGState, Step]:
        """Read the batch, measure all pairs at once, and pulse the chip once."""
        spec = port.spec
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        mean_loss = baseline.losses.sum(-1).mean(-1)  # refused before anything is probed
        bodies = [shape[len(spec.fleet) :] for shape in spec.shapes]
        drawn = gaussian.draw(self.pairs, spec.fleet, bodies, spec, generator)
        moved = tuple(v * sigma for v, sigma in zip(drawn, state.sigma, strict=True))
        probe = Probe(knobs=tuple(torch.cat((e, -e)) for e in moved))
        losses = baseline.judge(port.measure(batch.x, probe)).sum(-1).mean(-1)
        up, down = losses.unflatten(0, (2, self.pairs)).unbind(0)  # (pairs, *fleet) each
        half = ((up - down) / 2)[..., None, None, None]
        gradient = tuple(
            (half * e).mean(0) / sigma.square() for e, sigma in zip(moved, state.sigma, strict=True)
        )
        drive, update = self.update.step(gradient, state.update)
        port.pulse(drive)
        level = mean_loss if state.steps == 0 else torch.lerp(mean_loss, state.baseline, FADING)
        sigma = self._sigma(state.sigma, drawn, (up + down) / 2 - level)
        return PEPGState(update, sigma, level, state.steps + 1), Step(mean_loss, reading)

    def _sigma(self, sigma: Knobs, drawn: Knobs, worse: Tensor) -> Knobs:
        """The next standard deviations, by how much worse each pair was than usual, (pairs, *fleet)."""
        least = torch.finfo(worse.dtype).tiny
        scaled = worse / worse.square().mean(0).sqrt().clamp(min=least)
        weights = scaled[..., None, None, None]
        return tuple(
            (s - self.sigma_rate * s * (weights * (v.square() - 1)).mean(0)).clamp(
                self.size / RANGE, self.size * RANGE
            )
            for s, v in zip(sigma, drawn, strict=True)
        )


def pepg(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = SIGMA,
    probes: int = 16,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Parameter-exploring policy gradients descended by Adam; needs no more than the loss of a chip.

    Args:
        loss: any; all pairs of a step are judged by the same batch.
        learning_rate: of Adam, at the beginning.
        size: full scale, sd of each knob's exploration at the beginning (the source's sigma).
        probes: mirrored pairs of each step, two measurements each.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return PEPG(update, loss, size, probes)

    return with_adam("pepg", loss, learner, learning_rate, update, steps)
