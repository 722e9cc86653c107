"""What learners of policies share: how far each chip has come, seeds of episodes, and the round itself."""

from collections.abc import Iterator
from math import prod
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

import torch
from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.spec import Knobs
from analog.spec import Spec

from ..updates import Update
from .normalizer import Senses
from .rollout import Arena

L = TypeVar("L")


class Round(NamedTuple):
    """What one round of episodes showed."""

    returns: Tensor  # ([probes,] *fleet, batch), float64
    steps: Tensor  # (*fleet,), int64, environment steps it took


class Practice(NamedTuple):
    """How far each chip has come."""

    senses: Senses
    steps: Tensor  # (*fleet,), int64, environment steps so far

    @classmethod
    def begun(cls, spec: Spec, senses: Senses) -> "Practice":
        """At zero."""
        return cls(senses, torch.zeros(spec.fleet, dtype=torch.int64))

    def active(self, most: int | None) -> Tensor:  # (*fleet,), bool
        """Who has steps left."""
        return self.steps < (torch.iinfo(torch.int64).max if most is None else most)

    def left(self, most: int | None, floor: float) -> Tensor:  # (*fleet,), float64
        """By what each chip's drive is shrunk: linearly from 1 to `floor`, and 0 once its steps are used."""
        if most is None:
            return torch.ones(self.steps.shape, dtype=torch.float64)
        return (1 - (1 - floor) * self.steps / most) * self.active(most)


class Rehearsal(Protocol[L]):
    """Turns rounds of episodes into pulses; its state has a field `practice`."""

    @property
    def most(self) -> int | None: ...
    def init(self, spec: Spec) -> L: ...
    def step(self, port: Port, arena: Arena, state: L, generator: Generator) -> tuple[L, Round]: ...


def practised(
    learner: Rehearsal[Any], port: Port, arena: Arena, generator: Generator, state: Any = None
) -> Iterator[tuple[Any, Round]]:
    """Play round after round, lazily, until every chip has used its steps; each time the state and the round.

    Args:
        state: to go on from, as an earlier run left it; None begins anew.
    """
    held = learner.init(port.spec) if state is None else state
    while bool(held.practice.active(learner.most).any()):
        held, shown = learner.step(port, arena, held, generator)
        yield held, shown


def seeds(arena: Arena, probes: int, generator: Generator, one: bool = False) -> int | list[int]:
    """A seed for each sub-environment (probes, *fleet, batch), the same for all probes; or one in all."""
    each = 1 if one else arena.num_envs // probes
    drawn: list[int] = torch.randint(
        2**31 - 1, (each,), generator=generator, device=generator.device
    ).tolist()
    return drawn[0] if one else drawn * probes


def pulsed(port: Port, update: Update, gradient: Knobs, state: Any, left: Tensor) -> Any:
    """Send what an update makes of a gradient, shrunk chip by chip; the update's next state."""
    drive, inner = update.step(gradient, state)
    share = left.to(port.spec.on, port.spec.dtype)[..., None, None, None]
    port.pulse(tuple(d * share for d in drive))
    return inner


def episodes(arena: Arena, spec: Spec) -> int:
    """How many episodes a chip plays at once when nothing is probed in parallel."""
    return int(arena.num_envs // prod(spec.fleet))
