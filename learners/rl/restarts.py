"""Restarts: several starts are tried on the same chip for a share of the steps, and the best is gone on with.

The first rung of successive halving (Jamieson and Talwalkar, "Non-stochastic best arm identification and
hyperparameter optimization", AISTATS 2016, https://arxiv.org/abs/1502.07943), over starts in place of
settings. The environment steps of every start are counted, so a budget holds with and without them.

A chip gives up no knobs, so a start is come back to by programming what it was sent: its first knobs and all
pulses since. Where pulses are imprecise it comes back as imprecisely, which the rounds that follow mend.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port
from analog.spec import Knobs, Spec
from analog.tree import tree_map

from ..access import needed_access
from .rollout import VectorEnv
from .training import PolicyLearner, Progress, Round

DrawKnobs = Callable[[Spec, Generator], Knobs]  # the knobs that a start is programmed with


class Start(NamedTuple):
    """One start of every chip, and how it did."""

    sent: Knobs  # (*fleet, tiles, rows, cols), what it was programmed with and all pulses since
    learner: Any  # state of the learner that is restarted
    returns: Tensor  # (*fleet,), float64, sum over the rounds that are judged of their mean returns
    rounds: Tensor  # (*fleet,), float64, how many these are

    @classmethod
    def blank(cls, learner: PolicyLearner, spec: Spec) -> Self:
        """A start of which no chip has played a round."""
        none = torch.zeros(spec.fleet, dtype=torch.float64)
        return cls(spec.zeros(), learner.init(spec), none, none)

    @property
    def score(self) -> Tensor:  # (*fleet,), float64
        """The mean return of each chip in the rounds that are judged; below all where there are none."""
        mean = self.returns / self.rounds.clamp(min=1)
        return torch.where(self.rounds > 0, mean, -torch.inf)


class RestartState(NamedTuple):
    """The state of a learner with restarts."""

    progress: Progress  # of the present start's normalizer, and of the steps of all starts together
    tried: int  # starts that were played to their end
    best: Start
    present: Start


@dataclass(frozen=True)
class Restarts:
    """A policy learner that tries several starts one after another, and goes on with each chip's best.

    A start is judged by its returns, probed as they are, in the second half of its trial.

    learner: what is restarted; its own limit of steps is the one of all starts together, and every start
        learns as if it were the first.
    starts: how many are tried; with 0 the learner goes on with what the chip holds.
    trial_env_steps: environment steps of each chip that a start may begin a round with.
    draw: the knobs of a start, from the learner's generator.

    Raises:
        ValueError: a number is too small, the learner has no limit of steps, or trials use it up.
    """

    learner: Any  # a PolicyLearner
    starts: int
    trial_env_steps: int
    draw: DrawKnobs

    def __post_init__(self) -> None:
        limit = self.learner.max_env_steps
        if self.starts < 0 or self.trial_env_steps < 1:
            raise ValueError(
                f"Restarts: wanted 0 or more starts of at least 1 step, got {self.starts} of "
                f"{self.trial_env_steps}"
            )
        if self.starts and (limit is None or self.starts * self.trial_env_steps >= limit):
            raise ValueError(
                f"Restarts: {self.starts} starts of {self.trial_env_steps} steps leave none of the learner's "
                f"{limit}; wanted a larger max_env_steps"
            )

    @property
    def max_env_steps(self) -> int | None:
        """Environment steps that each chip may begin a round with, those of every start counted."""
        limit: int | None = self.learner.max_env_steps
        return limit

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: that of the learner."""
        return needed_access(self.learner, spec)

    def init(self, spec: Spec) -> RestartState:
        blank = Start.blank(self.learner, spec)
        return RestartState(blank.learner.progress, 0, blank, blank)

    def step(
        self, port: Port, env: VectorEnv, state: RestartState, generator: Generator
    ) -> tuple[RestartState, Round]:
        """Play one round; a start is judged after its trial, and the best programmed after the last."""
        if state.tried >= self.starts:
            learner, finished = self.learner.step(port, env, state.present.learner, generator)
            present = state.present._replace(learner=learner)
            return state._replace(progress=learner.progress, present=present), finished
        present, finished = self._try(port, env, state.present, generator)
        steps = state.progress.steps + finished.steps
        state = state._replace(progress=Progress(present.learner.progress.normalizer, steps), present=present)
        on_trial = present.learner.progress.active(self.trial_env_steps)
        return (state if bool(on_trial.any()) else self._judge(port, state)), finished

    def _try(self, port: Port, env: VectorEnv, start: Start, generator: Generator) -> tuple[Start, Round]:
        """One round of a trial; chips that are through with theirs wait."""
        before = start.learner.progress
        if not bool(before.steps.any()):
            start = start._replace(sent=self.draw(port.spec, generator))
            port.program(start.sent)
        playing = before.active(self.trial_env_steps)
        resting = torch.where(playing, before.steps, self.learner.max_env_steps)
        pulses: list[Knobs] = []

        def pulse(drive: Knobs) -> None:
            port.pulse(drive)
            pulses.append(drive)

        learner, finished = self.learner.step(
            port._replace(pulse=pulse), env, _with_steps(start.learner, resting), generator
        )
        judged = (playing & (2 * before.steps >= self.trial_env_steps)).double()
        score = mean_return(finished.returns, len(port.spec.fleet))
        return Start(
            tuple(sum(parts) for parts in zip(start.sent, *pulses, strict=True)),
            _with_steps(learner, before.steps + finished.steps),
            start.returns + judged * score,
            start.rounds + judged,
        ), finished

    def _judge(self, port: Port, state: RestartState) -> RestartState:
        """Keep the better start of each chip; begin the next, or go on with the best."""
        better, tried = state.present.score > state.best.score, state.tried + 1
        best = tree_map(lambda new, old: _choose(better, new, old), state.present, state.best)
        if tried < self.starts:
            return state._replace(tried=tried, best=best, present=Start.blank(self.learner, port.spec))
        port.program(best.sent)
        best = best._replace(learner=_with_steps(best.learner, state.progress.steps))
        return RestartState(best.learner.progress, tried, best, best)


def mean_return(returns: Tensor, fleet: int) -> Tensor:  # ([probes,] *fleet, batch) -> (*fleet,)
    """The mean return of each chip over episodes and probes."""
    each = returns.mean(-1)
    return each.flatten(0, each.ndim - fleet - 1).mean(0) if each.ndim > fleet else each


def _with_steps(learner: Any, steps: Tensor) -> Any:
    """The state of a policy learner with another count of steps."""
    return learner._replace(progress=learner.progress._replace(steps=steps))


def _choose(better: Tensor, new: Any, old: Any) -> Any:
    """A leaf of a state, chip by chip; what counts for all chips together is the newer state's."""
    if not isinstance(new, Tensor) or new.ndim < better.ndim:
        return new
    mask = better.to(new.device).reshape(better.shape + (1,) * (new.ndim - better.ndim))
    return torch.where(mask, new, old)
