"""What studies of acting share: settings that suit each task, training on it, and mean returns."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import torch
from torch import Generator, Tensor

from analog import Chip, Device, Layer, Port, dense, stream
from analog.spec import Knobs, Spec
from learners import NodePerturbation, WeightPerturbation, adam, antithetic, gaussian, sgd
from learners.rl import (
    ActionSelector,
    Argmax,
    AugmentedRandomSearch,
    NodePerturbationReinforce,
    ObservationNormalizer,
    PolicyLearner,
    Restarts,
    RestartState,
    Round,
    TanhSquashed,
    episode_stats,
    rollout,
    standardized,
    train_policy,
)

from .classic_control import ClassicControl


class RLTask(NamedTuple):
    """How a task is learned; chosen on chips and seeds other than those reported."""

    task: str
    sizes: tuple[int, ...]  # features in, hidden neurons if any, outputs
    actions: ActionSelector
    max_env_steps: int  # environment steps
    pairs: int  # of antithetic probes
    episodes: int  # of each probe in a round
    probe_size: float  # full scale, sd of a probe at a knob
    learning_rate: float  # step size, in the paper's sense
    top_directions: int | None = None  # those used; None: all
    final_scale: float = 0.1  # share of the learning rate left at the end
    starts: int = 0  # tried one after another on the same chip; 0: what it holds is the only one
    trial_share: float = 0.1  # of the environment steps, that each of several starts is given

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Hidden layers, and a linear read-out."""
        last = len(self.sizes) - 2
        pairs = enumerate(zip(self.sizes, self.sizes[1:], strict=False))
        return tuple(dense(a, b, linear=i == last) for i, (a, b) in pairs)

    @property
    def limit(self) -> int:
        """Steps of its longest episode."""
        return ClassicControl(self.task, 1).limit


RL_TASKS: Final = {
    s.task: s
    for s in (
        RLTask("CartPole-v1", (4, 2), Argmax(), 50_000, 4, 1, 0.3, 0.15),
        RLTask("Acrobot-v1", (6, 3), Argmax(), 500_000, 4, 2, 0.3, 0.1),
        RLTask("MountainCarContinuous-v0", (2, 1), TanhSquashed(-1, 1), 150_000, 4, 1, 0.3, 0.1),
        RLTask("Pendulum-v1", (3, 64, 1), TanhSquashed(-2, 2), 2_000_000, 16, 2, 0.3, 0.3, 4, starts=4),
    )
}


def random_search_learner(rl_task: RLTask) -> AugmentedRandomSearch:
    """Augmented random search; the last round that may begin still ends within the task's steps."""
    longest = 2 * rl_task.pairs * rl_task.episodes * rl_task.limit
    return AugmentedRandomSearch(
        WeightPerturbation(rl_task.probe_size, rl_task.pairs, gaussian, antithetic),
        sgd(2 * rl_task.probe_size * rl_task.learning_rate),
        rl_task.actions,
        standardized(rl_task.top_directions),
        max_env_steps=max(1, rl_task.max_env_steps - longest),
        final_scale=rl_task.final_scale,
    )


STEP_PROBE = 0.3  # V at the summing node, of step-level node perturbation
STEP_EPISODES = 8
STEP_LEARNING_RATE = 0.03  # of Adam


def reinforce_learner(rl_task: RLTask) -> NodePerturbationReinforce:
    """Node perturbation at every step, episodes side by side."""
    return NodePerturbationReinforce(
        NodePerturbation(STEP_PROBE, 1, gaussian, mask=False),
        adam(STEP_LEARNING_RATE),
        rl_task.actions,
        max_env_steps=max(1, rl_task.max_env_steps - STEP_EPISODES * rl_task.limit),
        final_scale=rl_task.final_scale,
    )


def make_env(rl_task: RLTask, learner: PolicyLearner, chips: int) -> ClassicControl:
    """As many copies of the task as a round of this learner takes."""
    each = (
        STEP_EPISODES
        if isinstance(learner, NodePerturbationReinforce)
        else 2 * rl_task.pairs * rl_task.episodes
    )
    return ClassicControl(rl_task.task, each * chips)


def train_on_task(
    rl_task: RLTask, learner: PolicyLearner, chip: Chip, port: Port, generator: Generator
) -> Iterator[tuple[RestartState, Round]]:
    """Train the policy of chips on a task, from as many starts as suit it, a round at a time."""
    trial = int(rl_task.trial_share * (learner.max_env_steps or 0))
    starts = rl_task.starts if trial else 0  # a toy's steps are too few to share out
    restarts = Restarts(learner, starts, max(1, trial), first_knobs)
    return train_policy(restarts, port, make_env(rl_task, learner, len(chip.identities)), generator)


def mean_returns(
    port: Port, rl_task: RLTask, normalizer: ObservationNormalizer, episodes: int, generator: Generator
) -> Tensor:
    """The mean return of each chip over so many fresh episodes, nothing probed: (*fleet,), float64."""
    chips = port.spec.fleet[0] if port.spec.fleet else 1
    env = ClassicControl(rl_task.task, chips * episodes)
    seeds = torch.randint(2**31 - 1, (env.num_envs,), generator=generator).tolist()
    play = rollout(port, env, rl_task.actions, normalizer, generator, seeds=seeds)
    return episode_stats(play, len(port.spec.fleet)).returns.mean(-1)


def fresh_policies(device: Device, rl_task: RLTask, who: int | Sequence[int], noise_seed: int) -> Chip:
    """Fresh chips wired for a task, the read-out blank, so that a probe decides what they do."""
    chip = Chip(device, rl_task.layers, who, noise_seed=noise_seed)
    chip.port().program(first_knobs(chip.spec, stream(noise_seed, "skills", rl_task.task)))
    return chip


def first_knobs(spec: Spec, generator: Generator) -> Knobs:
    """Knobs to begin with: hidden layers random, the read-out blank."""
    *hidden, out = spec.zeros()
    weights = (torch.randn(k.shape, generator=generator, dtype=k.dtype) / k.shape[-1] ** 0.5 for k in hidden)
    return (*weights, out)
