"""Pictures of chips that are taught: conventional, the same again, and of what the wires carried alone."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from numpy.testing import assert_array_equal
from torch import Tensor

from analog import Ideal, Mismatched, Noise
from analog.devices.ideal import IdealCells
from analog.effects import Endurance
from analog.environment.chips import MortalChip, MortalChips
from analog.environment.pictures import HEIGHT, WIDTH, View, draw

VIEW = View((np.zeros((4, 3)), np.zeros((1, 5))), (np.zeros((4, 4)), np.zeros((4, 1))), (0.5,), 4, 1.0, True)


def film(seed: int, steps: int, **settings: Any) -> list[Any]:
    env = MortalChip(render_mode="rgb_array", **settings)
    env.reset(seed=seed)
    env.action_space.seed(seed)
    frames = [env.render()]
    for _ in range(steps):
        env.step(env.action_space.sample())
        frames.append(env.render())
    return frames


@pytest.mark.parametrize("act", ["pulse", "probe"])
def test_gymnasium_finds_nothing_to_say_about_pictures(act: str) -> None:
    check_env(gymnasium.make("MortalChip-v0", render_mode="rgb_array", act=act).unwrapped)
    recorded = gymnasium.wrappers.RenderCollection(gymnasium.make("MortalChip-v0", render_mode="rgb_array"))
    recorded.reset(seed=0)
    for _ in range(3):
        recorded.step(recorded.action_space.sample())
    frames: Any = recorded.render()
    assert [f.shape for f in frames] == [(HEIGHT, WIDTH, 3)] * 4 and {f.dtype for f in frames} == {
        np.dtype("u1")
    }


def test_each_step_looks_different_and_the_same_life_the_same() -> None:
    frames, again = film(3, 6), film(3, 6)
    assert len({f.tobytes() for f in frames}) == 7
    assert_array_equal(frames, again)
    assert not np.array_equal(frames[0], film(4, 0)[0])


def test_nothing_is_drawn_where_nobody_asks_and_nothing_before_there_is_a_chip() -> None:
    silent, shown = MortalChip(), MortalChip(render_mode="rgb_array")
    with pytest.raises(ResetNeeded):
        shown.render()
    silent.reset(seed=0)
    silent.step(silent.action_space.sample())
    assert silent.render() is None and silent.render_mode is None


def test_a_picture_looks_on_and_changes_nothing() -> None:
    seen, unseen = MortalChip(render_mode="rgb_array"), MortalChip()
    for env in (seen, unseen):
        env.reset(seed=5)
        env.action_space.seed(5)
    for _ in range(4):
        action = seen.action_space.sample()
        told, untold = seen.step(action), unseen.step(action)
        seen.render()
        assert told[1] == untold[1]
        assert_array_equal(told[0]["taps"], untold[0]["taps"])


class Mute(Ideal):
    """Cells that no reading shows."""

    def collect(self, cells: IdealCells, x: Tensor, noise: Noise) -> Tensor:
        return 0 * super().collect(cells, x, noise)


def test_pictures_show_only_what_an_agent_may_know() -> None:
    """Chips whose wires carry the same look the same, whoever they are and wherever their knobs are."""
    one, other = (film(1, 3, device=Mute(), identity=who) for who in (7, 8))
    assert_array_equal(one, other)
    assert not np.array_equal(*(film(1, 3, device=Ideal(), identity=who) for who in (7, 8)))


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_the_vector_draws_what_single_environments_draw(mode: str) -> None:
    """Through deaths and new chips in their places."""
    if not hasattr(gymnasium.vector, "AutoresetMode"):
        pytest.skip("the oldest gymnasium has no modes")
    device = Endurance(Mismatched(), pulses=3, pulses_dtod=0.4)
    mode_of = gymnasium.vector.AutoresetMode
    ours = MortalChips(2, render_mode="rgb_array", device=device, autoreset_mode=mode)
    theirs = gymnasium.vector.SyncVectorEnv(
        [lambda: MortalChip(render_mode="rgb_array", device=device)] * 2, autoreset_mode=mode_of(mode)
    )
    for env in (ours, theirs):
        env.reset(seed=2)
    ours.action_space.seed(0)
    ended = 0
    for _ in range(12):
        action = ours.action_space.sample()
        ended += int(ours.step(action)[2].sum())
        theirs.step(action)
        for mine, yours in zip(ours.render(), theirs.render() or (), strict=True):
            assert_array_equal(mine, yours)
    assert ended >= 2
    assert MortalChips(2).render() is None


@pytest.mark.parametrize(
    "change",
    [
        {"sent": (np.eye(4, 3), np.zeros((1, 5)))},
        {"taps": (np.zeros((4, 4)), np.ones((4, 1)))},
        {"losses": (0.5, 0.4)},
        {"losses": (0.25,)},
        {"losses": (-0.5,)},
        {"reads": 8},
        {"left": 0.5},
        {"alive": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_thing_shown_shows(change: dict[str, Any]) -> None:
    plain = draw(VIEW)
    assert plain.shape == (HEIGHT, WIDTH, 3) and plain.dtype == np.uint8
    assert_array_equal(plain, draw(VIEW._replace()))
    assert not np.array_equal(plain, draw(VIEW._replace(**change)))


@pytest.mark.parametrize("loss", [0.0, 1e-30, 1e30, float("nan"), -3.0])
@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (300, 300)])
def test_any_size_of_anything_fits_the_picture(loss: float, shape: tuple[int, int]) -> None:
    large = View(
        (np.full(shape, 9.0), np.ones((2, 2))), (np.full(shape, loss),), (loss,) * 3, 10**9, 0.0, True
    )
    assert draw(large).shape == (HEIGHT, WIDTH, 3)


def test_stable_baselines_learns_on_a_chip_by_name() -> None:
    """PPO for one short rollout; skipped where stable-baselines3 is not installed."""
    sb3 = pytest.importorskip("stable_baselines3")
    from stable_baselines3.common.env_util import make_vec_env

    with torch.random.fork_rng():  # a library that draws from the global generator
        agent = sb3.PPO("MultiInputPolicy", "MortalChip-v0", n_steps=32, batch_size=32, seed=0)
        agent.learn(32)
    several = make_vec_env("MortalChip-v0", 3, seed=0)
    several.reset()
    assert agent.num_timesteps == 32 and len(several.get_images()) == 3
