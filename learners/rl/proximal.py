"""Proximal policy optimization: a chip's last output is a critic, and any learner descends the surrogate.

Schulman et al., "Proximal policy optimization algorithms" (2017, https://arxiv.org/abs/1707.06347), with the
advantages of Schulman et al., "High-dimensional continuous control using generalized advantage estimation"
(2015, https://arxiv.org/abs/1506.02438).

Where we differ and why. What is explored is the outputs, digitally, so that the policy is a Gaussian around
them whatever selector makes actions of it (by probes at their nodes, whose gains nobody knows, densities
would be wrong from the start); what is learned from a round is a loss of outputs like any other, so that
whatever teaches a chip classes teaches it to act. Drives shrink as the budget of steps is used, because noisy
chips hold no iterate still. An episode that the clock ends is worth, at its end, what the critic said one
step before.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port
from analog.spec import Spec

from ..access import needed_access
from ..learner import Batch, Learner
from ..losses import Loss
from .actions import ActionSelector
from .advantages import generalized_advantages
from .normalizer import ObservationNormalizer
from .rollout import Transition, VectorEnv, episode_stats, rollout
from .surrogate import ClippedSurrogate, Played
from .training import Progress, Round, episode_seeds, scaled_pulses

LEAST_SPREAD = 1e-6  # of returns and advantages, where all are alike
VALUES_FORGET = 0.1  # share of the newest round in the running mean and spread of returns


class ProximalState(NamedTuple):
    """The state of proximal policy optimization."""

    learner: Any
    progress: Progress
    mean: Tensor  # (*fleet, 1, 1), float64, of the returns that the critic predicts, and
    spread: Tensor  # (*fleet, 1, 1), float64, their standard deviation, which it shows as one volt


@dataclass(frozen=True)
class ProximalPolicyOptimization:
    """Proximal policy optimization on chips: rounds of episodes side by side, and epochs over what was seen.

    learner: from a loss to the learner that descends it, such as
        `partial(learned_feedback, update=adam(3e-3))`; its rate is scaled as steps are used.
    actions: what makes actions of the outputs; `BesideCritic` leaves the last to the critic.
    size, final_size: V, sd of what is added to the outputs at the beginning, and when the steps are used.
    discount, trace: of rewards, a step, and of what the critic did not expect.
    epochs, batch: how often a round's steps are learned from, and how many at once.
    loss: of each batch.
    max_env_steps, final_scale, one_seed: as of `AugmentedRandomSearch`.

    Raises:
        ValueError: a number is out of its range.
    """

    learner: Callable[[Loss], Learner]
    actions: ActionSelector
    size: float = 0.5
    final_size: float = 0.3
    discount: float = 0.99
    trace: float = 0.95
    epochs: int = 5
    batch: int = 200
    loss: ClippedSurrogate = ClippedSurrogate()
    normalize: bool = True
    max_env_steps: int | None = None
    final_scale: float = 0.0
    one_seed: bool = False

    def __post_init__(self) -> None:
        shares = (self.discount, self.trace, self.final_scale)
        if not all(0 <= s <= 1 for s in shares) or min(self.epochs, self.batch) < 1:
            raise ValueError(
                "ProximalPolicyOptimization: discount, trace and final_scale are within 0 and 1, epochs and "
                f"batch at least 1; got {self}"
            )
        sizes = self.size, self.final_size
        if not all(0 < s < float("inf") for s in sizes):
            raise ValueError(f"ProximalPolicyOptimization: wanted finite sizes above 0, got {sizes}")

    @property
    def taught(self) -> Learner:
        """What descends the surrogate."""
        return self.learner(self.loss)

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: that of its learner, and the outputs, by which it acts."""
        return Access("outputs", node_probes=False) | needed_access(self.taught, spec)

    def init(self, spec: Spec) -> ProximalState:
        """The state before the first round.

        Raises:
            ValueError: the chip has one output, which leaves none to act by.
        """
        if spec.layers[-1].features < 2:
            raise ValueError(
                "ProximalPolicyOptimization: the last output is the critic; wanted at least 2, got 1"
            )
        progress = Progress.start(spec, ObservationNormalizer.empty(spec))
        none = torch.zeros(*spec.fleet, 1, 1, dtype=torch.float64)
        return ProximalState(self.taught.init(spec), progress, none, none)

    def step(
        self, port: Port, env: VectorEnv, state: ProximalState, generator: Generator
    ) -> tuple[ProximalState, Round]:
        """Play one round of episodes, and pulse the chips once for each batch of what was seen."""
        spec, progress = port.spec, state.progress
        left = progress.drive_scale(self.max_env_steps, 0.0)  # 1 at the beginning, 0 where steps are used
        size = self.final_size + (self.size - self.final_size) * left
        explorer = _Explorer(self.actions, size.to(spec.on, spec.dtype)[..., None, None])
        moments = list(self._play(port, env, progress, explorer, generator))
        tally = episode_stats(iter(moments), len(spec.fleet))
        seen = _Seen.of(moments, explorer.added, len(spec.fleet))
        state, examples = self._examples(state, seen, size.to(spec.on, spec.dtype))
        scale = progress.drive_scale(self.max_env_steps, self.final_scale)
        taught, wires, inner = self.taught, scaled_pulses(port, scale), state.learner
        for batch in self._batches(examples, seen.going, generator):
            inner, _ = taught.step(wires, batch, inner, generator)
        steps = tally.lengths.sum(-1)
        normalizer = progress.normalizer.merge(tally.normalizer) if self.normalize else progress.normalizer
        following = state._replace(learner=inner, progress=Progress(normalizer, progress.steps + steps))
        return following, Round(tally.returns, steps)

    def _play(
        self, port: Port, env: VectorEnv, progress: Progress, actions: ActionSelector, generator: Generator
    ) -> Iterator[Transition]:
        """Episodes side by side."""
        return rollout(
            port,
            env,
            actions,
            progress.normalizer,
            generator,
            seeds=episode_seeds(env, 1, generator, self.one_seed),
            active=progress.active(self.max_env_steps),
        )

    def _examples(self, state: ProximalState, seen: "_Seen", size: Tensor) -> tuple[ProximalState, Batch]:
        """All steps of a round as examples, and the running mean and spread of returns."""
        values = seen.out[..., -1].double().cpu() * state.spread + state.mean
        gains = generalized_advantages(
            seen.reward, values, seen.going, seen.terminated, self.discount, self.trace
        )
        mean, spread = _moments(values + gains, seen.going)
        new = torch.where(state.progress.steps > 0, VALUES_FORGET, 1.0).double()[..., None, None]
        state = state._replace(mean=state.mean.lerp(mean, new), spread=state.spread.lerp(spread, new))
        wanted = (values + gains - state.mean) / state.spread
        mean, spread = _moments(gains, seen.going)
        like = seen.out
        target = Played(
            like[..., :-1] + seen.added,
            seen.added,
            size[..., None, None].expand(like.shape[:-1]),
            ((gains - mean) / spread).to(like),
            wanted.to(like),
        )
        fleet = gains.ndim - 2
        return state, Batch(
            seen.x.flatten(fleet, fleet + 1), Played(*(t.flatten(fleet, fleet + 1) for t in target))
        )

    def _batches(self, examples: Batch, going: Tensor, generator: Generator) -> Iterator[Batch]:
        """Batches of the steps that were played, every epoch in an order of its own for each chip."""
        fleet = going.ndim - 2
        counted = going.flatten(fleet)
        count = counted.sum(-1, keepdim=True).clamp(min=1)
        each = -(-int(count.max()) // self.batch)
        turns = torch.arange(each * self.batch) % count  # a chip that played fewer steps begins again
        for _ in range(self.epochs):
            lots = torch.rand(counted.shape, generator=generator, device=generator.device).cpu()
            order = (lots + ~counted).argsort(-1).gather(-1, turns.expand(*counted.shape[:-1], -1))
            for which in order.split(self.batch, -1):
                yield _taken(examples, which.to(examples.x.device))


@dataclass
class _Explorer:
    """Selects by outputs to all of which but the last something is added by lot, and remembers what."""

    actions: ActionSelector
    size: Tensor  # (*fleet, 1, 1), V, sd
    added: list[Tensor] = field(default_factory=list)  # of every step, (*fleet, batch, outputs - 1)

    def select(self, out: Tensor, generator: Generator) -> Tensor:
        policy, critic = out[..., :-1], out[..., -1:]
        drawn = torch.randn(policy.shape, generator=generator, dtype=out.dtype, device=generator.device)
        self.added.append(self.size * drawn.to(out.device))
        return self.actions.select(torch.cat((policy + self.added[-1], critic), -1), generator)


class _Seen(NamedTuple):
    """A round's steps, (*fleet, steps, episodes, ...)."""

    x: Tensor
    out: Tensor
    added: Tensor
    reward: Tensor
    going: Tensor
    terminated: Tensor

    @classmethod
    def of(cls, moments: Sequence[Transition], added: Sequence[Tensor], fleet: int) -> Self:
        def together(parts: Sequence[Any]) -> Tensor:
            return torch.stack(list(parts), fleet)

        return cls(
            together([m.x for m in moments]),
            together([m.reading.out for m in moments]),
            together(added),
            together([m.reward for m in moments]),
            together([m.going for m in moments]),
            together([m.terminated for m in moments]),
        )


def _moments(value: Tensor, going: Tensor) -> tuple[Tensor, Tensor]:
    """The mean and the standard deviation, never 0, of each chip's steps that were played, (*fleet, 1, 1)."""
    count = going.sum((-2, -1), keepdim=True).clamp(min=1)
    mean = (value * going).sum((-2, -1), keepdim=True) / count
    gap = (value - mean) * going
    return mean, (gap.square().sum((-2, -1), keepdim=True) / count).sqrt().clamp(min=LEAST_SPREAD)


def _taken(examples: Batch, which: Tensor) -> Batch:
    """Examples by their numbers (*fleet, batch), chip by chip."""

    def take(part: Tensor) -> Tensor:
        index = which.reshape(which.shape + (1,) * (part.ndim - which.ndim))
        return part.gather(which.ndim - 1, index.expand(*which.shape, *part.shape[which.ndim :]))

    return Batch(take(examples.x), Played(*(take(part) for part in examples.target)))
