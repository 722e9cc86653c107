"""`MortalChip-v0`, single and vector: an agent pulses a chip's knobs and sees what the wires show.

Reward: by how much the loss fell since the reading before (as read, noise and all), so the return of an
episode is the first loss less the last. Terminated: the chip is dead; of its last step the wires tell nothing
new and the reward is 0. Truncated: a budget does not allow another step, or did not allow this one.
Info: reads, pulses_per_cell, joules and seconds since the episode began. With `render_mode="rgb_array"`
a picture shows what went through the wires: drives, taps, and the loss of the episode so far.
"""

from collections.abc import Sequence
from typing import Any, Final

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import batch_space

from .episodes import Episodes
from .pictures import draw
from .settings import EnvSettings

_mode: Any = getattr(gymnasium.vector, "AutoresetMode", str)  # gymnasium 1.0 has no name for what it does
RGB_ARRAY: Final = "rgb_array"
FRAMES_PER_SECOND: Final = 10
NEXT_STEP, SAME_STEP, DISABLED = (_mode(word) for word in ("NextStep", "SameStep", "Disabled"))


class MortalChip(gymnasium.Env[dict[str, Any], Any]):
    """One chip an episode.

    Args:
        identity: who the chip is, reborn in every episode; None: in each somebody nobody has met.
        render_mode: "rgb_array" for pictures by `render`, uint8 (360, 480, 3); None for none.
        settings: those of `EnvSettings`.

    Raises:
        TypeError: another kind of picture is asked for.
        ValueError: a setting makes no sense.
    """

    metadata = {"render_modes": [RGB_ARRAY], "render_fps": FRAMES_PER_SECOND}  # noqa: RUF012

    def __init__(
        self, *, identity: int | None = None, render_mode: str | None = None, **settings: Any
    ) -> None:
        self.render_mode = _render_mode(render_mode)
        self._losses: list[float] = []  # of the episode, where somebody wants pictures
        self._identity = identity
        self._episodes = Episodes(EnvSettings(**settings), 1)
        self.knobs = self._episodes.knobs  # how many a chip has
        self.action_space = self._episodes.action_space
        self.observation_space = self._episodes.observation_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        super().reset(seed=seed, options=options)
        self._episodes.begin([0], [_key(self.np_random)], [self._identity])
        self._losses = self._episodes.losses
        return _row(self._episodes.observation(), 0), _info(self._episodes.usage())

    def step(self, action: Any) -> tuple[dict[str, Any], float, bool, bool, dict[str, Any]]:
        result = self._episodes.step(np.asarray(action)[None])
        if self.render_mode:
            self._losses += self._episodes.losses
        ends = bool(result.terminated[0]), bool(result.truncated[0])
        return _row(result.observation, 0), float(result.reward[0]), *ends, _info(result.usage)

    def render(self) -> Any:
        """A picture of what went through the wires, uint8 (360, 480, 3); None without a render mode.

        Raises:
            ResetNeeded: there is no chip yet.
        """
        return draw(self._episodes.view(0, self._losses)) if self.render_mode else None


class MortalChips(VectorEnv[dict[str, Any], Any, Any]):
    """A chip an episode in each of `num_envs` places, all worked in one batched product.

    Row i is bitwise the single environment under the seed of that row, which is `seed + i` as in gymnasium's
    own vector environments, or the i-th of a list.

    Args:
        identity: who the chips are, one for all or one for each; None: in each episode somebody new.
        autoreset_mode: gymnasium's `AutoresetMode`, or its value as a string.
        render_mode: "rgb_array" for a picture of each chip by `render`; None for none.
        settings: those of `EnvSettings`.

    Raises:
        TypeError: another kind of picture is asked for.
        ValueError: there is no place, identities do not fit them, or a setting makes no sense.
    """

    metadata: dict[str, Any] = {**MortalChip.metadata, "autoreset_mode": NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int = 1,
        *,
        identity: int | Sequence[int] | None = None,
        autoreset_mode: Any = NEXT_STEP,
        render_mode: str | None = None,
        **settings: Any,
    ) -> None:
        self.render_mode = _render_mode(render_mode)
        self._losses: list[list[float]] = [[] for _ in range(num_envs)]  # where somebody wants pictures
        self.num_envs = num_envs
        self._identities = _each(identity, num_envs)
        self._episodes = Episodes(EnvSettings(**settings), num_envs)
        self.knobs = self._episodes.knobs  # how many a chip has
        self.single_action_space = self._episodes.action_space
        self.single_observation_space = self._episodes.observation_space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._mode = _mode(autoreset_mode)
        if self._mode not in (NEXT_STEP, SAME_STEP, DISABLED):
            raise ValueError(
                f"MortalChip: autoreset_mode is {autoreset_mode!r}, wanted {NEXT_STEP!r} or alike"
            )
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        self._generators = [seeding.np_random(None)[0] for _ in range(num_envs)]
        self._done = np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode in every place, or where `options["reset_mask"]` says so.

        Raises:
            ValueError: seeds or mask do not fit the places.
        """
        mask: Any = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        if not isinstance(mask, np.ndarray) or mask.shape != (self.num_envs,) or mask.dtype != np.bool_:
            raise ValueError(f"MortalChip: reset_mask is {mask!r}, wanted a bool array ({self.num_envs},)")
        if isinstance(seed, int):
            super().reset(seed=seed)
            seed = [seed + place for place in range(self.num_envs)]
        if seed is not None and len(seed) != self.num_envs:
            raise ValueError(f"MortalChip: {len(seed)} seeds for {self.num_envs} chips; give one for each")
        for place, row_seed in enumerate(seed or ()):
            if row_seed is not None and mask[place]:
                self._generators[place] = seeding.np_random(row_seed)[0]
        self._begin(mask)
        return self._episodes.observation(), self._infos(self._episodes.usage(), mask)

    def step(self, actions: Any) -> tuple[dict[str, Any], Any, Any, Any, dict[str, Any]]:
        """Carry out one action in every place, as gymnasium's vector environments do.

        Raises:
            ValueError: an episode is over, and `autoreset_mode` does not begin another.
        """
        if self._mode == DISABLED and self._done.any():
            raise ValueError(f"MortalChip: episodes {self._done.nonzero()[0]} are over; reset them first")
        fresh, everyone = self._done.copy(), np.ones(self.num_envs, bool)
        result = self._episodes.step(actions)
        if self.render_mode:
            for losses, latest in zip(self._losses, self._episodes.losses, strict=True):
                losses.append(latest)
        reward, terminated, truncated = (np.where(fresh, 0, each) for each in result[1:4])
        done = (terminated | truncated).astype(bool)
        infos: dict[str, Any] = {}
        if self._mode == SAME_STEP:
            fresh = done
            infos = self._final_infos(result.observation, result.usage, done)
        if fresh.any():
            self._begin(fresh)
        self._done = np.zeros_like(done) if self._mode == SAME_STEP else done
        infos |= self._infos(self._episodes.usage(), everyone)
        return self._episodes.observation(), reward, terminated.astype(bool), truncated.astype(bool), infos

    def render(self) -> Any:
        """A picture of each chip, as `MortalChip.render` gives it, in a tuple; None without a render mode.

        Raises:
            ResetNeeded: there are no chips yet.
        """
        if not self.render_mode:
            return None
        views = (self._episodes.view(place, losses) for place, losses in enumerate(self._losses))
        return tuple(map(draw, views))

    def _begin(self, mask: Any) -> None:
        places = [int(place) for place in mask.nonzero()[0]]
        keys = [_key(self._generators[place]) for place in places]
        self._episodes.begin(places, keys, [self._identities[place] for place in places])
        self._done[mask] = False
        latest = self._episodes.losses
        for place in places:
            self._losses[place] = [latest[place]]

    def _infos(self, usage: dict[str, Any], mask: Any) -> dict[str, Any]:
        """As gymnasium has it: beside each key, under `_key`, in which places it is meant."""
        infos = {name: np.where(mask, values, 0) for name, values in usage.items()}
        return {**infos, **{f"_{name}": mask.copy() for name in usage}}

    def _final_infos(self, observation: dict[str, Any], usage: dict[str, Any], done: Any) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for place in done.nonzero()[0]:
            last = {"final_obs": _row(observation, place), "final_info": _info(usage, place)}
            infos = self._add_info(infos, last, int(place))
        return infos


def _key(generator: Any) -> int:
    """The seed of an episode."""
    return int(generator.integers(2**63))


def _row(observation: dict[str, Any], place: int) -> dict[str, Any]:
    return {name: values[place].copy() for name, values in observation.items()}


def _info(usage: dict[str, Any], place: int = 0) -> dict[str, Any]:
    return {name: values[place].item() for name, values in usage.items()}


def _each(identity: int | Sequence[int] | None, num_envs: int) -> tuple[int | None, ...]:
    """The identity of the chip in each place; None is somebody new in each episode."""
    if num_envs < 1:
        raise ValueError(f"MortalChip: num_envs is {num_envs}, wanted at least 1")
    identities = tuple(identity) if isinstance(identity, Sequence) else (identity,) * num_envs
    if len(identities) != num_envs:
        raise ValueError(f"MortalChip: {len(identities)} identities for {num_envs} chips; give one for each")
    return identities


def _render_mode(mode: str | None) -> str | None:
    """Pass on a render mode that there is.

    Raises:
        TypeError: there is none of that name; libraries that ask for pictures try again without on this.
    """
    if mode not in (None, RGB_ARRAY):
        raise TypeError(f"MortalChip: render_mode is {mode!r}, wanted {RGB_ARRAY!r} or None")
    return mode
