"""Toy worlds of a few lines, in gymnasium's clothes, for learners of policies."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import Env
from gymnasium.spaces import Box, Discrete
from gymnasium.vector import SyncVectorEnv

MODES: Any = getattr(
    gymnasium.vector, "AutoresetMode", None
)  # the oldest gymnasium admitted knows but one way


class Signs(Env[Any, Any]):
    """Say which side of zero a number lies on; one point for each right answer.

    An episode ends by its rules after `rounds` answers, or by the clock after `clock`.
    """

    observation_space = Box(-1, 1, (1,), np.float32)
    action_space = Discrete(2)

    def __init__(self, rounds: int = 4, clock: int = 99) -> None:
        self.rounds, self.clock = rounds, clock

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.done = 0
        return self._ask(), {}

    def _ask(self) -> Any:
        self.shown = self.np_random.uniform(-1, 1, 1).astype(np.float32)
        return self.shown

    def step(self, action: Any) -> Any:
        self.done += 1
        right = float((self.shown[0] > 0) == bool(action))
        return self._ask(), right, self.done >= self.rounds, self.done >= self.clock, {}


def signs(count: int, **rules: int) -> Any:
    """A vector of them."""
    return SyncVectorEnv([lambda: Signs(**rules)] * count)


def unequal(rounds: Sequence[int], **mode: Any) -> Any:
    """Episodes of several lengths side by side."""
    return SyncVectorEnv([lambda n=n: Signs(n) for n in rounds], **mode)
