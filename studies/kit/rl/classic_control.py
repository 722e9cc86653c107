"""Four classic tasks of gymnasium, many copies stepped side by side in one go.

gymnasium has a fast vector environment for one of them; stepped one by one the others would take more time
than the chips. Dynamics, rewards, limits, seeds and autoreset (in the next step) are those of gymnasium's
CartPole-v1, Acrobot-v1, MountainCarContinuous-v0 and Pendulum-v1, against which the tests hold them: the same
seeds give the same episodes as `gymnasium.make_vec(name, vectorization_mode="sync")`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import gymnasium
import numpy as np
import numpy.typing as npt
from gymnasium.envs.classic_control.cartpole import CartPoleVectorEnv
from gymnasium.utils import seeding
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space

Array = npt.NDArray[Any]


class Task(NamedTuple):
    """The rules of one task."""

    name: str  # as gymnasium knows it
    begin: Callable[[Any], Array]  # generator -> a fresh state (variables,)
    step: Callable[
        [Array, Array], tuple[Array, Array, Array]
    ]  # (variables, n), (n, ...) -> next, reward, ended
    observe: Callable[[Array], Array]  # (variables, n) -> (features, n)


def _balance(state: Array, action: Array) -> tuple[Array, Array, Array]:
    """A cart under a pole is pushed left or right by 10 N for 20 ms."""
    x, speed, angle, turn = state
    cosine, sine = np.cos(angle), np.sin(angle)
    pull = (np.where(action == 1, 10.0, -10.0) + 0.05 * np.square(turn) * sine) / 1.1
    bend = (9.8 * sine - cosine * pull) / (0.5 * (4.0 / 3.0 - 0.1 * np.square(cosine) / 1.1))
    push = pull - 0.05 * bend * cosine / 1.1
    after = np.stack((x + 0.02 * speed, speed + 0.02 * push, angle + 0.02 * turn, turn + 0.02 * bend))
    fallen = (np.abs(after[0]) > 2.4) | (np.abs(after[2]) > 12 * 2 * np.pi / 360)
    return after, np.ones(len(fallen)), fallen


def _swing(state: Array, action: Array) -> tuple[Array, Array, Array]:
    """Two links hang from a pivot; a torque at the elbow swings them. Runge and Kutta, 0.2 s."""
    torque = action - 1.0
    one = _rates(state, torque)
    two = _rates(state + 0.1 * one, torque)
    three = _rates(state + 0.1 * two, torque)
    four = _rates(state + 0.2 * three, torque)
    after = state + 0.2 / 6.0 * (one + 2 * two + 2 * three + four)
    after[:2] = (after[:2] + np.pi) % (2 * np.pi) - np.pi
    np.clip(after[2], -4 * np.pi, 4 * np.pi, out=after[2])
    np.clip(after[3], -9 * np.pi, 9 * np.pi, out=after[3])
    there = -np.cos(after[0]) - np.cos(after[1] + after[0]) > 1.0
    return after, np.where(there, 0.0, -1.0), there


def _rates(state: Array, torque: Array) -> Array:
    """The rates of change of the two angles and their speeds, as in Sutton and Barto's book."""
    first, second, turn, twist = state
    cosine, sine = np.cos(second), np.sin(second)
    inertia, both = 3.5 + cosine, 1.25 + 0.5 * cosine
    far = 4.9 * np.cos(first + second - np.pi / 2)
    near = -0.5 * twist * (twist + 2 * turn) * sine + 14.7 * np.cos(first - np.pi / 2) + far
    ratio = both / inertia
    bend = (torque + ratio * near - 0.5 * turn**2 * sine - far) / (1.25 - both * ratio)
    return np.stack((turn, twist, -(both * bend + near) / inertia, bend))


def _drive(state: Array, action: Array) -> tuple[Array, Array, Array]:
    """A weak car between two hills; force costs."""
    force = action[:, 0]
    pull = np.clip(force, -1.0, 1.0) * 0.0015 - 0.0025 * np.cos(3 * state[0])
    speed = np.clip(state[1] + pull, -0.07, 0.07)
    place = np.clip(state[0] + speed, -1.2, 0.6)
    speed = np.where((place <= -1.2) & (speed < 0), 0.0, speed)
    up = (place >= 0.45) & (speed >= 0)
    after = np.stack((place, speed)).astype(np.float32).astype(np.float64)
    return after, np.where(up, 100.0, 0.0) - 0.1 * force.astype(np.float64) ** 2, up


def _raise(state: Array, action: Array) -> tuple[Array, Array, Array]:
    """A pendulum is to be held up by a weak torque."""
    angle, speed = state
    torque = np.clip(action[:, 0], -2.0, 2.0)
    off = (angle + np.pi) % (2 * np.pi) - np.pi
    cost = off**2 + 0.1 * speed**2 + 0.001 * torque**2
    faster = np.clip(speed + (15.0 * np.sin(angle) + 3.0 * torque) * 0.05, -8, 8)
    return np.stack((angle + faster * 0.05, faster)), -cost, np.zeros(len(angle), dtype=np.bool_)


TASKS: Final = {
    task.name: task
    for task in (
        Task("CartPole-v1", lambda generator: generator.uniform(-0.05, 0.05, size=4), _balance, lambda s: s),
        Task(
            "Acrobot-v1",
            lambda generator: generator.uniform(-0.1, 0.1, size=4).astype(np.float32).astype(np.float64),
            _swing,
            lambda s: np.stack((np.cos(s[0]), np.sin(s[0]), np.cos(s[1]), np.sin(s[1]), s[2], s[3])),
        ),
        Task(
            "MountainCarContinuous-v0",
            lambda generator: np.array([generator.uniform(-0.6, -0.4), 0.0]),
            _drive,
            lambda s: s,
        ),
        Task(
            "Pendulum-v1",
            lambda generator: generator.uniform([-np.pi, -1.0], [np.pi, 1.0]),
            _raise,
            lambda s: np.stack((np.cos(s[0]), np.sin(s[0]), s[1])),
        ),
    )
}


class ClassicControl(VectorEnv[Array, Array, Array]):
    """Copies of one task; `reset` takes one seed, or one for each copy, as gymnasium's SyncVectorEnv does.

    Raises:
        ValueError: no such task is known, or no copy is asked for.
    """

    metadata = {**CartPoleVectorEnv.metadata, "render_modes": []}  # noqa: RUF012 - gymnasium's way

    def __init__(self, name: str, num_envs: int) -> None:
        if name not in TASKS or num_envs < 1:
            raise ValueError(f"arena: {num_envs} of {name!r}; wanted at least 1 of {', '.join(TASKS)}")
        one = gymnasium.make(name)
        self.task, self.limit = TASKS[name], int(one.spec.max_episode_steps or 0) if one.spec else 0
        self.num_envs = num_envs
        self.single_action_space, self.single_observation_space = one.action_space, one.observation_space
        self.action_space = batch_space(one.action_space, num_envs)
        self.observation_space = batch_space(one.observation_space, num_envs)
        self._generator: list[Any] = [None] * num_envs
        self.state: Array = np.zeros((0, num_envs))
        self._steps = np.zeros(num_envs, dtype=np.int64)
        self._over = np.zeros(num_envs, dtype=np.bool_)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """Begin an episode in every copy.

        Raises:
            ValueError: there is not one seed, or one for each copy.
        """
        del options  # none are known
        each = [seed + i for i in range(self.num_envs)] if isinstance(seed, int) else seed
        if each is None:
            each = [None] * self.num_envs
        if len(each) != self.num_envs:
            raise ValueError(f"arena: {len(each)} seeds for {self.num_envs} copies")
        for i, one in enumerate(each):
            if one is not None or self._generator[i] is None:
                self._generator[i] = seeding.np_random(one)[0]
        self.state = np.stack([self.task.begin(d) for d in self._generator], -1)
        self._steps = np.zeros(self.num_envs, dtype=np.int64)
        self._over = np.zeros(self.num_envs, dtype=np.bool_)
        return self._observations(), {}

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        over = self._over
        self.state, reward, terminated = self.task.step(self.state, actions)
        self._steps = self._steps + 1
        truncated = self._steps >= self.limit
        for i in over.nonzero()[0]:
            self.state[:, i] = self.task.begin(self._generator[i])
        if over.any():
            self._steps[over] = 0
            reward, terminated, truncated = (
                np.where(over, 0, part).astype(part.dtype) for part in (reward, terminated, truncated)
            )
        self._over = terminated | truncated
        return self._observations(), reward, terminated, truncated, {}

    def _observations(self) -> Array:
        return self.task.observe(self.state).T.astype(np.float32)
