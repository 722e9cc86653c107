"""What studies of acting share: settings that suit each task, chips that practise it, their scores."""

from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import Final
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Device
from analog import Layer
from analog import Port
from analog import dense
from analog import stream
from learners import NodePerturbation
from learners import WeightPerturbation
from learners import adam
from learners import antithetic
from learners import gaussian
from learners import sgd
from learners.rl import Actions
from learners.rl import EpisodePerturbation
from learners.rl import Greedy
from learners.rl import Rehearsal
from learners.rl import Round
from learners.rl import Senses
from learners.rl import Squashed
from learners.rl import StepPerturbation
from learners.rl import played
from learners.rl import practised
from learners.rl import standardised
from learners.rl import tallied

from .arena import Arena


class Skill(NamedTuple):
    """How a task is learnt; chosen on chips and seeds other than those reported."""

    task: str
    sizes: tuple[int, ...]  # features in, hidden neurons if any, outputs
    actions: Actions
    most: int  # environment steps
    pairs: int  # of antithetic probes
    episodes: int  # of each probe in a round
    size: float  # full scale, sd of a probe at a knob
    rate: float  # step size, in the paper's sense
    top: int | None = None  # directions used
    floor: float = 0.1  # share of the rate left at the end

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Hidden layers, and a linear read-out."""
        last = len(self.sizes) - 2
        pairs = enumerate(zip(self.sizes, self.sizes[1:], strict=False))
        return tuple(dense(a, b, linear=i == last) for i, (a, b) in pairs)

    @property
    def limit(self) -> int:
        """Steps of its longest episode."""
        return Arena(self.task, 1).limit


SKILLS: Final = {
    s.task: s
    for s in (
        Skill("CartPole-v1", (4, 2), Greedy(), 50_000, 4, 1, 0.3, 0.15),
        Skill("Acrobot-v1", (6, 3), Greedy(), 500_000, 4, 2, 0.3, 0.1),
        Skill("MountainCarContinuous-v0", (2, 1), Squashed(-1, 1), 150_000, 4, 1, 0.3, 0.1),
        Skill("Pendulum-v1", (3, 64, 1), Squashed(-2, 2, 1.0), 2_000_000, 16, 2, 0.3, 0.3, 4),
    )
}


def by_episodes(skill: Skill) -> EpisodePerturbation:
    """Augmented random search; the last round that may begin still ends within the skill's steps."""
    longest = 2 * skill.pairs * skill.episodes * skill.limit
    return EpisodePerturbation(
        WeightPerturbation(skill.size, skill.pairs, gaussian, antithetic),
        sgd(2 * skill.size * skill.rate),
        skill.actions,
        standardised(skill.top),
        most=max(1, skill.most - longest),
        floor=skill.floor,
    )


STEP_PROBE = 0.3  # V at the summing node, of step-level node perturbation
STEP_EPISODES = 8
STEP_RATE = 0.03  # of Adam


def by_steps(skill: Skill) -> StepPerturbation:
    """Node perturbation at every step, episodes side by side."""
    return StepPerturbation(
        NodePerturbation(STEP_PROBE, 1, gaussian),
        adam(STEP_RATE),
        skill.actions,
        most=max(1, skill.most - STEP_EPISODES * skill.limit),
        floor=skill.floor,
    )


def ground(skill: Skill, learner: Rehearsal[Any], chips: int) -> Arena:
    """As many copies of the task as a round of this learner takes."""
    each = STEP_EPISODES if isinstance(learner, StepPerturbation) else 2 * skill.pairs * skill.episodes
    return Arena(skill.task, each * chips)


def practise(
    skill: Skill,
    learner: Rehearsal[Any],
    chip: Chip[Any],
    port: Port,
    generator: Generator,
    state: Any = None,  # to go on from
) -> Iterator[tuple[Any, Round]]:
    """Let chips practise a skill."""
    return practised(learner, port, ground(skill, learner, len(chip.identities)), generator, state)


def score(port: Port, skill: Skill, senses: Senses, episodes: int, generator: Generator) -> Tensor:
    """(*fleet,), float64: mean return over so many fresh episodes, nothing probed."""
    chips = port.spec.fleet[0] if port.spec.fleet else 1
    arena = Arena(skill.task, chips * episodes)
    drawn = torch.randint(2**31 - 1, (arena.num_envs,), generator=generator).tolist()
    play = played(port, arena, skill.actions, senses, generator, seeds=drawn)
    return tallied(play, len(port.spec.fleet)).returns.mean(-1)


def novices(device: Device[Any], skill: Skill, who: int | Sequence[int], noise_seed: int) -> Chip[Any]:
    """Fresh chips wired for a skill, the read-out blank, so that a probe decides what they do."""
    chip = Chip(device, skill.layers, who, noise_seed=noise_seed)
    generator = stream(noise_seed, "skills", skill.task)
    *hidden, out = chip.spec.zeros()
    drawn = (torch.randn(k.shape, generator=generator, dtype=k.dtype) / k.shape[-1] ** 0.5 for k in hidden)
    chip.port().program((*drawn, out))
    return chip
