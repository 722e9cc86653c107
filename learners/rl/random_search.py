"""Episode-level weight perturbation: try changed knobs for a whole episode, keep what brought more.

Mania, Guy and Recht, "Simple random search of static linear policies is competitive for reinforcement
learning" (NeurIPS 2018), algorithms 1 and 2: antithetic directions, steps divided by the standard deviation
of the returns used (V1), observations normalised (V2), only the `top` best directions used (V*-t); centred
ranks instead after Salimans et al., "Evolution strategies as a scalable alternative" (2017).

Where we differ and why. Directions are additive inputs at the knobs (Probe.knobs), since writing changed
knobs and taking them back blurs a real device. A fleet learns side by side, each chip from its own returns.
All probes of a chip meet the same episodes in a round (common seeds), so that luck with the start is not
taken for skill. The estimate goes to any update rule; with sgd(rate) the paper's step size is
rate / (2 size). Drives shrink as the budget of steps is used, because noisy chips hold no iterate still.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.port import Reading
from analog.spec import Spec

from ..estimators.base import Evidence
from ..estimators.base import WeightPerturbation
from ..estimators.schemes import Antithetic
from ..updates import Update
from .actions import Actions
from .normalizer import merged
from .normalizer import unseen
from .rollout import Arena
from .rollout import played
from .rollout import tallied
from .training import Practice
from .training import Round
from .training import pulsed
from .training import seeds

Shaping = Callable[[Tensor], Tensor]  # returns (probes, *fleet), pairs side by side -> losses, likewise


def standardised(top: int | None = None) -> Shaping:
    """Losses in standard deviations of the returns used, of the `top` directions whose better side was best.

    Directions left out have both sides alike, which says nothing about a slope.
    """
    if top is not None and top < 1:
        raise ValueError(f"standardised: top is {top}, wanted at least 1 or None")

    def shape(returns: Tensor) -> Tensor:
        pairs = returns.unflatten(0, (-1, 2))  # (directions, 2, *fleet)
        count = len(pairs) if top is None else min(top, len(pairs))
        best = pairs.amax(1).topk(count, 0).indices
        used = torch.zeros_like(pairs[:, 0]).scatter_(0, best, 1.0).unsqueeze(1)
        mean = (pairs * used).sum((0, 1)) / (2 * count)
        spread = ((pairs - mean).square() * used).sum((0, 1)).div(2 * count).sqrt()
        scale = len(pairs) / count / spread.clamp(min=torch.finfo(spread.dtype).tiny ** 0.5)
        return -((pairs - mean) * used * scale).flatten(0, 1)

    return shape


def ranked(returns: Tensor) -> Tensor:
    """Losses from 1/2 for the worst probe of a chip to -1/2 for its best; equals share their ranks."""
    above = (returns.unsqueeze(0) > returns.unsqueeze(1)).double().sum(1)
    below = (returns.unsqueeze(0) < returns.unsqueeze(1)).double().sum(1)
    return (above - below) / (2 * max(1, len(returns) - 1))


class Gathered(NamedTuple):
    """The memory of a learner of policies."""

    update: Any
    practice: Practice


@dataclass(frozen=True)
class EpisodePerturbation:
    """Augmented random search on chips.

    most: environment steps that each chip may begin a round with; over them it is left alone. None: no end.
    floor: share of the drive that is left when they are used up; it shrinks linearly.
    one_seed: hand `reset` a single seed, for environments that take no list of them (gymnasium's own vector
        entry points); probes then meet different episodes.
    """

    estimator: WeightPerturbation
    update: Update
    actions: Actions
    shaping: Shaping = standardised()
    normalise: bool = True
    most: int | None = None
    floor: float = 1.0
    one_seed: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.estimator.scheme, Antithetic):
            raise ValueError(
                f"EpisodePerturbation: probes come in antithetic pairs, got {self.estimator.scheme}"
            )

    def init(self, spec: Spec) -> Gathered:
        return Gathered(self.update.init(spec.zeros()), Practice.begun(spec, unseen(spec)))

    def step(self, port: Port, arena: Arena, state: Gathered, generator: Generator) -> tuple[Gathered, Round]:
        """Play one round with every probe, and pulse the chips once."""
        spec, practice = port.spec, state.practice
        blank = torch.zeros(1, spec.layers[0].features_in, dtype=spec.dtype, device=spec.on)
        probe = self.estimator.ask(spec, blank, Reading(()), generator)
        probes = 2 * self.estimator.probes
        active = practice.active(self.most)
        play = played(
            port,
            arena,
            self.actions,
            practice.senses,
            generator,
            seeds=seeds(arena, probes, generator, self.one_seed),
            lead=(probes,),
            probe=lambda x: probe,
            active=active,
        )
        tally = tallied(play, len(spec.fleet))
        losses = self.shaping(tally.returns.mean(-1)).to(spec.on, spec.dtype).unsqueeze(-1)
        none = Reading(())
        seen = Evidence(blank, none, torch.zeros_like(losses[0]), probe, none, losses)
        gradient = self.estimator.tell(spec, seen)
        inner = pulsed(port, self.update, gradient, state.update, practice.left(self.most, self.floor))
        steps = tally.lengths.sum((0, -1))
        senses = merged(practice.senses, tally.senses) if self.normalise else practice.senses
        return Gathered(inner, Practice(senses, practice.steps + steps)), Round(tally.returns, steps)
