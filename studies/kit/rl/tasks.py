"""What studies of acting share: settings that suit each task, training on it, and mean returns."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import torch
from torch import Generator, Tensor

from analog import Chip, Device, Layer, Port, dense, stream
from analog.spec import Knobs, Spec
from learners import NodePerturbation, WeightPerturbation, adam, antithetic, gaussian, recipes, sgd
from learners.rl import (
    ActionSelector,
    Argmax,
    AugmentedRandomSearch,
    BesideCritic,
    NodePerturbationReinforce,
    ObservationNormalizer,
    PolicyLearner,
    ProximalPolicyOptimization,
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

# credited: knobs by episodes, nodes by steps, or outputs by what a critic did not expect
Method = Literal["episodes", "steps", "critic"]


class CriticSettings(NamedTuple):
    """How a task is learned by proximal policy optimization."""

    max_env_steps: int  # environment steps
    discount: float
    actions: ActionSelector  # of all outputs but the critic's
    episodes: int = 8  # of a round
    learning_rate: float = 3e-3  # of Adam
    size: float = 0.5  # V, sd of the probes at the outputs, at the beginning
    final_size: float = 0.3


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
    critic: CriticSettings | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Hidden layers, and a linear read-out."""
        last = len(self.sizes) - 2
        pairs = enumerate(zip(self.sizes, self.sizes[1:], strict=False))
        return tuple(dense(a, b, linear=i == last) for i, (a, b) in pairs)

    def by(self, method: Method) -> "RLTask":
        """The same task as a method learns it: with a critic, by one more output, and from one start."""
        if method != "critic":
            return self
        *below, outputs = self.sizes
        known = self.critic_settings
        return self._replace(
            sizes=(*below, outputs + 1),
            actions=BesideCritic(known.actions),
            max_env_steps=known.max_env_steps,
            starts=0,
        )

    @property
    def critic_settings(self) -> CriticSettings:
        """How it is learned with a critic.

        Raises:
            ValueError: nobody has chosen that.
        """
        if self.critic is None:
            raise ValueError(f"{self.task}: there are no settings to learn it with a critic")
        return self.critic

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
        RLTask(
            "Pendulum-v1",
            (3, 64, 1),
            TanhSquashed(-2, 2),
            max_env_steps=2_000_000,
            pairs=16,
            episodes=2,
            probe_size=0.3,
            learning_rate=0.3,
            top_directions=4,
            starts=4,
            critic=CriticSettings(320_000, 0.9, TanhSquashed(-2, 2, gain=2)),
        ),
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


def critic_learner(rl_task: RLTask) -> ProximalPolicyOptimization:
    """Proximal policy optimization, its surrogate descended by a measured backward model."""
    known = rl_task.critic_settings
    return ProximalPolicyOptimization(
        partial(recipes.measured_feedback, update=adam(known.learning_rate)),
        rl_task.actions,
        size=known.size,
        final_size=known.final_size,
        discount=known.discount,
        max_env_steps=max(1, rl_task.max_env_steps - known.episodes * rl_task.limit),
    )


def policy_learner(rl_task: RLTask, method: Method) -> Any:
    """The learner of a task by a method.

    Args:
        rl_task: with the steps of the method (`RLTask.by`).
        method: its name.
    """
    makers: dict[Method, Callable[[RLTask], PolicyLearner]] = {
        "episodes": random_search_learner,
        "steps": reinforce_learner,
        "critic": critic_learner,
    }
    return makers[method](rl_task)


def make_env(rl_task: RLTask, method: Method, chips: int) -> ClassicControl:
    """As many copies of the task as a round of this method takes."""
    if method == "episodes":
        each = 2 * rl_task.pairs * rl_task.episodes
    else:
        each = STEP_EPISODES if method == "steps" else rl_task.critic_settings.episodes
    return ClassicControl(rl_task.task, each * chips)


def train_on_task(
    rl_task: RLTask, method: Method, chip: Chip, port: Port, generator: Generator
) -> Iterator[tuple[RestartState, Round]]:
    """Train the policy of chips on a task, from as many starts as suit it, a round at a time."""
    learner = policy_learner(rl_task, method)
    trial = int(rl_task.trial_share * learner.max_env_steps)
    starts = rl_task.starts if trial else 0  # a toy's steps are too few to share out
    restarts = Restarts(learner, starts, max(1, trial), first_knobs)
    return train_policy(restarts, port, make_env(rl_task, method, len(chip.identities)), generator)


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
