"""Rollouts of chips in a vector environment: one measurement a step serves all probes, chips and episodes.

Conventions of gymnasium (1.0 and later). Every sub-environment is played for its first episode after `reset`,
which ends when it is terminated or truncated, either of them; what comes after is stepped along and not
counted, so that it makes no difference whether a finished sub-environment is reset in the same step or in the
next. An environment that must not be stepped on (autoreset disabled) is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import torch
from gymnasium import vector
from torch import Generator, Tensor

from analog.port import Port, Probe, Reading

from .actions import ActionSelector
from .normalizer import ObservationNormalizer

VectorEnv = vector.VectorEnv[Any, Any, Any]


class Transition(NamedTuple):
    """One step of all sub-environments, which are (*probes, *fleet, batch)."""

    observation: Tensor  # (*probes, *fleet, batch, features), as the environment shows it
    x: Tensor  # the same normalized, as it drove the chip
    probe: Probe
    reading: Reading
    reward: Tensor  # (*probes, *fleet, batch), float64; 0 where the first episode is over
    going: Tensor  # (*probes, *fleet, batch), bool: this step was of the first episode
    terminated: Tensor  # (*probes, *fleet, batch), bool: it ended the first episode by the task's rules
    truncated: Tensor  # (*probes, *fleet, batch), bool: it ended it by the clock


def rollout(
    port: Port,
    env: VectorEnv,
    actions: ActionSelector,
    normalizer: ObservationNormalizer,
    generator: Generator,
    *,
    seeds: int | Sequence[int],
    lead: tuple[int, ...] = (),
    probe: Callable[[Tensor], Probe] = lambda x: Probe(),
    active: Tensor | None = None,
) -> Iterator[Transition]:
    """Roll the policy out: play every sub-environment's first episode to its end, step by step.

    Args:
        port: the chip (or fleet) whose outputs are the policy.
        env: as many sub-environments as probes x chips x episodes.
        generator: for actions that are sampled.
        seeds: handed to `env.reset`: one for all, or one for each sub-environment.
        lead: probe axes of what `probe` gives.
        probe: from inputs (*probes, *fleet, batch, features) to what is sent along with them.
        active: (*fleet,), False for chips that sit this one out; their steps are not counted.

    Raises:
        ValueError: the environment's autoreset is disabled, its sub-environments cannot be shared among
            chips and probes, or its observations do not fit the chip.
    """
    shape = (*lead, *port.spec.fleet, _share(port, env, lead))
    going = torch.ones(shape, dtype=torch.bool)
    if active is not None:
        going = going & active.cpu().unsqueeze(-1)
    reset_seeds: Any = seeds if isinstance(seeds, int) else list(seeds)  # a list: SyncVectorEnv's extension
    observation, _ = env.reset(seed=reset_seeds)
    while bool(going.any()):
        raw = torch.as_tensor(observation).to(port.spec.on, port.spec.dtype).reshape(*shape, -1)
        x = normalizer.normalize(raw)
        sent = probe(x)
        reading = port.measure(x, sent)
        out = reading.out.reshape(*shape, -1)
        action = actions.select(out, generator).flatten(0, len(shape) - 1)
        observation, *results, _ = env.step(action.cpu().numpy())
        reward, terminated, truncated = (torch.as_tensor(r).reshape(shape) for r in results)
        ends = terminated & going, truncated & going
        yield Transition(raw, x, sent, reading, reward.double() * going, going, *ends)
        going = going & ~(terminated | truncated)


class EpisodeStats(NamedTuple):
    """Returns and lengths of whole episodes, and the normalizer of what was observed in them."""

    returns: Tensor  # (*probes, *fleet, batch), float64, undiscounted
    lengths: Tensor  # (*probes, *fleet, batch), int64, steps
    normalizer: ObservationNormalizer


def episode_stats(transitions: Iterator[Transition], fleet: int) -> EpisodeStats:
    """Carry a rollout of chips with `fleet` (0 or 1) fleet axes out to its end, and sum it up."""
    parts = [(t.observation, t.going, t.reward) for t in transitions]
    observations, going, reward = (torch.stack(part) for part in zip(*parts, strict=True))
    return EpisodeStats(
        reward.sum(0),
        going.sum(0),
        ObservationNormalizer.of(observations, going.to(observations.device), fleet),
    )


def _share(port: Port, env: VectorEnv, lead: tuple[int, ...]) -> int:
    """Episodes for each chip and probe."""
    mode = env.metadata.get("autoreset_mode")  # an enum since 1.1; before, always the next step
    if getattr(mode, "value", mode) == "Disabled":
        raise ValueError("rollout: this environment's autoreset is disabled; wanted NEXT_STEP or SAME_STEP")
    each = prod((*lead, *port.spec.fleet))
    if env.num_envs % each:
        raise ValueError(
            f"rollout: {env.num_envs} sub-environments for {each} chips times probes; wanted a multiple"
        )
    features = prod(env.single_observation_space.shape or ())
    if features != port.spec.layers[0].features_in:
        raise ValueError(
            f"rollout: the environment shows {features} numbers, the chip takes "
            f"{port.spec.layers[0].features_in}"
        )
    return env.num_envs // each
