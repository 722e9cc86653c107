"""Training of policies round by round: progress of each chip, seeds of episodes, the update sent."""

from collections.abc import Iterator
from math import prod
from typing import Any, NamedTuple, Protocol

import torch
from torch import Generator, Tensor
from typing_extensions import TypeVar

from analog.port import Port
from analog.spec import Knobs, Spec

from ..access import require_access
from ..updates.record import Update
from .normalizer import ObservationNormalizer
from .rollout import VectorEnv

L = TypeVar("L", default=Any)


class Round(NamedTuple):
    """The result of one round of episodes."""

    returns: Tensor  # ([probes,] *fleet, batch), float64
    steps: Tensor  # (*fleet,), int64, environment steps it took


class Progress(NamedTuple):
    """How far each chip has come."""

    normalizer: ObservationNormalizer
    steps: Tensor  # (*fleet,), int64, environment steps so far

    @classmethod
    def start(cls, spec: Spec, normalizer: ObservationNormalizer) -> "Progress":
        """The progress of chips that have made no step."""
        return cls(normalizer, torch.zeros(spec.fleet, dtype=torch.int64))

    def active(self, max_env_steps: int | None) -> Tensor:  # (*fleet,), bool
        """Chips that have environment steps left; all of them where there is no limit (None)."""
        return self.steps < (torch.iinfo(torch.int64).max if max_env_steps is None else max_env_steps)

    def drive_scale(self, max_env_steps: int | None, final_scale: float) -> Tensor:  # (*fleet,), float64
        """The factor of each chip's drive: linearly from 1 to `final_scale`, 0 once steps are used."""
        if max_env_steps is None:
            return torch.ones(self.steps.shape, dtype=torch.float64)
        return (1 - (1 - final_scale) * self.steps / max_env_steps) * self.active(max_env_steps)


class PolicyLearner(Protocol[L]):
    """A policy learner turns rounds of episodes into pulses; its state has a field `progress`."""

    @property
    def max_env_steps(self) -> int | None: ...
    def init(self, spec: Spec) -> L:
        """The state before the first round; nothing is sent to the chip."""
        ...

    def step(self, port: Port, env: VectorEnv, state: L, generator: Generator) -> tuple[L, Round]:
        """Play one round of episodes, and pulse the chips.

        Args:
            port: one chip, or a fleet that learns side by side.
            env: sub-environments (probes, *fleet, episodes), flat.
            state: as `init` or the step before returned it.
            generator: for probes, seeds of episodes and sampled actions.

        Returns:
            The next state, and what the round showed.
        """
        ...


def train_policy(
    learner: PolicyLearner, port: Port, env: VectorEnv, generator: Generator, state: Any = None
) -> Iterator[tuple[Any, Round]]:
    """Train a policy round after round, lazily, until every chip has used its steps; yields (state, round).

    Args:
        state: to go on from, as an earlier run left it; None begins anew.

    Raises:
        NoAccess: the learner needs more than these wires show.
    """
    require_access(learner, port, "train_policy")
    current = learner.init(port.spec) if state is None else state
    while bool(current.progress.active(learner.max_env_steps).any()):
        current, finished = learner.step(port, env, current, generator)
        yield current, finished


def episode_seeds(env: VectorEnv, probes: int, generator: Generator, one: bool = False) -> int | list[int]:
    """A seed for each sub-environment (probes, *fleet, batch), the same for all probes; or one in all."""
    each = 1 if one else env.num_envs // probes
    drawn: list[int] = torch.randint(
        2**31 - 1, (each,), generator=generator, device=generator.device
    ).tolist()
    return drawn[0] if one else drawn * probes


def send_update(port: Port, update: Update, gradient: Knobs, state: Any, scale: Tensor) -> Any:
    """Pulse an update's drive, scaled chip by chip (*fleet,); return the update's next state."""
    drive, inner = update.step(gradient, state)
    scaled_pulses(port, scale).pulse(drive)
    return inner


def scaled_pulses(port: Port, scale: Tensor) -> Port:
    """The same wires, on which every drive is scaled chip by chip (*fleet,)."""
    share = scale.to(port.spec.on, port.spec.dtype)[..., None, None, None]
    return port._replace(pulse=lambda drive: port.pulse(tuple(d * share for d in drive)))


def episodes_per_chip(env: VectorEnv, spec: Spec) -> int:
    """How many episodes a chip plays at once when nothing is probed in parallel."""
    return int(env.num_envs // prod(spec.fleet))
