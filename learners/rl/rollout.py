"""A chip plays in a vector environment: one measurement a step serves all probes, chips and episodes.

Conventions of gymnasium (1.0 and later). Every sub-environment is played for its first episode after `reset`,
which ends when it is terminated or truncated, either of them; what comes after is stepped along and not
counted, so that it makes no difference whether a finished sub-environment is reset in the same step or in the
next. An environment that must not be stepped on (autoreset disabled) is refused.
"""

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from math import prod
from typing import Any
from typing import NamedTuple

import torch
from gymnasium.vector import VectorEnv
from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.port import Probe
from analog.port import Reading

from .actions import Actions
from .normalizer import Senses
from .normalizer import moments
from .normalizer import normalised

Arena = VectorEnv[Any, Any, Any]


class Moment(NamedTuple):
    """One step of all sub-environments, which are (*probes, *fleet, batch)."""

    seen: Tensor  # (*probes, *fleet, batch, features), as the environment shows it
    x: Tensor  # the same normalised, as it drove the chip
    probe: Probe
    reading: Reading
    reward: Tensor  # (*probes, *fleet, batch), float64; 0 where the first episode is over
    going: Tensor  # (*probes, *fleet, batch), bool: this step was of the first episode
    terminated: Tensor  # (*probes, *fleet, batch), bool: it ended the first episode by the task's rules
    truncated: Tensor  # (*probes, *fleet, batch), bool: it ended it by the clock


def played(
    port: Port,
    arena: Arena,
    actions: Actions,
    senses: Senses,
    generator: Generator,
    *,
    seeds: int | Sequence[int],
    lead: tuple[int, ...] = (),
    probe: Callable[[Tensor], Probe] = lambda x: Probe(),
    active: Tensor | None = None,
) -> Iterator[Moment]:
    """Play every sub-environment's first episode to its end.

    Args:
        seeds: handed to `arena.reset`: one for all, or one for each sub-environment.
        lead: probe axes of what `probe` gives.
        probe: from inputs (*probes, *fleet, batch, features) to what is sent along with them.
        active: (*fleet,), False for chips that sit this one out; their steps are not counted.
    """
    shape = (*lead, *port.spec.fleet, _share(port, arena, lead))
    going = torch.ones(shape, dtype=torch.bool)
    if active is not None:
        going = going & active.cpu().unsqueeze(-1)
    sown: Any = seeds if isinstance(seeds, int) else list(seeds)  # a list is SyncVectorEnv's extension
    seen, _ = arena.reset(seed=sown)
    while bool(going.any()):
        raw = torch.as_tensor(seen).to(port.spec.on, port.spec.dtype).reshape(*shape, -1)
        x = normalised(senses, raw)
        sent = probe(x)
        reading = port.measure(x, sent)
        out = reading.out.reshape(*shape, -1)
        action = actions.chosen(out, generator).flatten(0, len(shape) - 1)
        seen, *told, _ = arena.step(action.cpu().numpy())
        reward, terminated, truncated = (torch.as_tensor(t).reshape(shape) for t in told)
        ends = terminated & going, truncated & going
        yield Moment(raw, x, sent, reading, reward.double() * going, going, *ends)
        going = going & ~(terminated | truncated)


class Tally(NamedTuple):
    """What whole episodes came to."""

    returns: Tensor  # (*probes, *fleet, batch), float64, undiscounted
    lengths: Tensor  # (*probes, *fleet, batch), int64, steps
    senses: Senses  # moments of what was seen


def tallied(play: Iterator[Moment], fleet: int) -> Tally:
    """Sum up a play of chips with so many fleet axes."""
    kept = [(m.seen, m.going, m.reward) for m in play]
    seen, going, reward = (torch.stack(part) for part in zip(*kept, strict=True))
    return Tally(reward.sum(0), going.sum(0), moments(seen, going.to(seen.device), fleet))


def _share(port: Port, arena: Arena, lead: tuple[int, ...]) -> int:
    """Episodes for each chip and probe."""
    mode = arena.metadata.get("autoreset_mode")  # an enum since 1.1; before, always the next step
    if getattr(mode, "value", mode) == "Disabled":
        raise ValueError("played: this environment's autoreset is disabled; wanted NEXT_STEP or SAME_STEP")
    each = prod((*lead, *port.spec.fleet))
    if arena.num_envs % each:
        raise ValueError(
            f"played: {arena.num_envs} sub-environments for {each} chips times probes; wanted a multiple"
        )
    features = prod(arena.single_observation_space.shape or ())
    if features != port.spec.layers[0].features_in:
        raise ValueError(
            f"played: the environment shows {features} numbers, the chip takes "
            f"{port.spec.layers[0].features_in}"
        )
    return arena.num_envs // each
