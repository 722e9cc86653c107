"""Augmented random search: weight perturbation for whole episodes, by their returns alone.

Mania, Guy and Recht, "Simple random search of static linear policies is competitive for reinforcement
learning" (NeurIPS 2018, https://arxiv.org/abs/1803.07055), algorithms 1 and 2: antithetic
directions, steps divided by the standard deviation of the returns used (V1), observations normalized (V2),
only the `top` best directions used (V*-t); centered ranks instead after Salimans et al., "Evolution
strategies as a scalable alternative" (2017, https://arxiv.org/abs/1703.03864).

Where we differ and why. Directions are additive inputs at the knobs (Probe.knobs), since writing changed
knobs and taking them back blurs a real device. A fleet learns side by side, each chip from its own returns.
All probes of a chip meet the same episodes in a round (common seeds), so that luck with the start is not
taken for skill. The estimate goes to any update rule; with sgd(rate) the paper's step size is
rate / (2 size). Drives shrink as the budget of steps is used, because noisy chips hold no iterate still.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, Probe, Reading
from analog.spec import Spec

from ..estimators.base import ProbeResult
from ..estimators.gradient import knob_gradients
from ..estimators.schemes import antithetic
from ..estimators.weight import WeightPerturbation
from ..updates.record import Update
from .actions import ActionSelector
from .normalizer import ObservationNormalizer
from .rollout import Transition, VectorEnv, episode_stats, rollout
from .training import Progress, Round, episode_seeds, send_update

Shaping = Callable[[Tensor], Tensor]  # returns (probes, *fleet), pairs side by side -> losses, likewise


def standardized(top: int | None = None) -> Shaping:
    """Losses in standard deviations of the returns used, of the `top` directions whose better side was best.

    Directions left out have both sides alike, which says nothing about the gradient.

    Raises:
        ValueError: `top` is below 1.
    """
    if top is not None and top < 1:
        raise ValueError(f"standardized: top is {top}, wanted at least 1 or None")

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


def centered_ranks(returns: Tensor) -> Tensor:
    """Losses (probes, *fleet), from 1/2 for a chip's worst probe to -1/2 for its best; equals share ranks."""
    above = (returns.unsqueeze(0) > returns.unsqueeze(1)).double().sum(1)
    below = (returns.unsqueeze(0) < returns.unsqueeze(1)).double().sum(1)
    return (above - below) / (2 * max(1, len(returns) - 1))


class PolicyState(NamedTuple):
    """The state of a policy learner."""

    update: Any
    progress: Progress

    @classmethod
    def start(cls, update: Update, spec: Spec) -> Self:
        """The state before the first round."""
        return cls(update.init(spec.zeros()), Progress.start(spec, ObservationNormalizer.empty(spec)))


@dataclass(frozen=True)
class AugmentedRandomSearch:
    """Augmented random search on chips, by antithetic probes at the knobs for whole episodes.

    max_env_steps: environment steps that each chip may begin a round with; over them it is left alone.
        None: no end.
    final_scale: share of the drive that is left when they are used up; it shrinks linearly.
    one_seed: hand `reset` a single seed, for environments that take no list of them (gymnasium's own vector
        entry points); probes then meet different episodes.

    Raises:
        ValueError: the estimator's probes do not come in antithetic pairs.
    """

    estimator: WeightPerturbation
    update: Update
    actions: ActionSelector
    shaping: Shaping = standardized()
    normalize: bool = True
    max_env_steps: int | None = None
    final_scale: float = 1.0
    one_seed: bool = False

    def __post_init__(self) -> None:
        if self.estimator.scheme != antithetic:
            raise ValueError(
                f"AugmentedRandomSearch: probes come in antithetic pairs, got {self.estimator.scheme}"
            )

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: to the outputs, by which it acts."""
        del spec  # whatever the chip
        return Access("outputs", node_probes=False)

    def init(self, spec: Spec) -> PolicyState:
        return PolicyState.start(self.update, spec)

    def step(
        self, port: Port, env: VectorEnv, state: PolicyState, generator: Generator
    ) -> tuple[PolicyState, Round]:
        """Play one round with every probe, and pulse the chips once."""
        spec, progress = port.spec, state.progress
        blank = torch.zeros(1, spec.layers[0].features_in, dtype=spec.dtype, device=spec.on)
        probe, _ = self.estimator.ask(spec, blank, Reading(()), generator)
        tally = episode_stats(self._play(port, env, progress, probe, generator), len(spec.fleet))
        losses = self.shaping(tally.returns.mean(-1)).to(spec.on, spec.dtype)[..., None, None]
        none = Reading(())
        result = ProbeResult(blank, none, torch.zeros_like(losses[0]), probe, none, losses)
        gradient = knob_gradients(spec, self.estimator.tell(spec, result), result.inputs, result.out)
        inner = send_update(
            port,
            self.update,
            gradient,
            state.update,
            progress.drive_scale(self.max_env_steps, self.final_scale),
        )
        steps = tally.lengths.sum((0, -1))
        normalizer = progress.normalizer.merge(tally.normalizer) if self.normalize else progress.normalizer
        return PolicyState(inner, Progress(normalizer, progress.steps + steps)), Round(tally.returns, steps)

    def _play(
        self, port: Port, env: VectorEnv, progress: Progress, probe: Probe, generator: Generator
    ) -> Iterator[Transition]:
        """Episodes under every probe side by side."""
        probes = 2 * self.estimator.probes
        return rollout(
            port,
            env,
            self.actions,
            progress.normalizer,
            generator,
            seeds=episode_seeds(env, probes, generator, self.one_seed),
            lead=(probes,),
            probe=lambda x: probe,
            active=progress.active(self.max_env_steps),
        )
