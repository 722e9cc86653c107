"""The tasks are gymnasium's own: against `make_vec(..., vectorization_mode="sync")`, step by step."""

import gymnasium
import numpy as np
import pytest

from studies.kit.rl.classic_control import TASKS, ClassicControl

CLOSE = {"CartPole-v1": 0.0, "Acrobot-v1": 1e-5, "MountainCarContinuous-v0": 2e-6, "Pendulum-v1": 1e-6}


@pytest.mark.parametrize("name", TASKS)
def test_the_same_seeds_give_the_same_episodes(name: str) -> None:
    """Two rounds of episodes through ends of both kinds and autoreset; bit for bit where rounding allows.

    An acrobot is chaotic, so its rounding is looked at for a hundred steps.
    """
    seeds = [5, 6, 7, 5]
    ours, theirs = ClassicControl(name, 4), gymnasium.make_vec(name, num_envs=4, vectorization_mode="sync")
    assert ours.single_action_space == theirs.single_action_space
    assert ours.single_observation_space == theirs.single_observation_space
    assert ours.metadata.get("autoreset_mode") == theirs.metadata.get("autoreset_mode")
    first, same = ours.reset(seed=seeds)[0], theirs.reset(seed=seeds)[0]
    assert np.array_equal(first, same) and np.array_equal(first[0], first[3])
    theirs.action_space.seed(0)
    steps = 100 if name == "Acrobot-v1" else min(2 * ours.limit, 450) + 5
    for _ in range(steps):
        action = theirs.action_space.sample()
        made, wanted = ours.step(action), theirs.step(action)
        for a, b in zip(made[:2], wanted[:2], strict=True):
            assert a.shape == b.shape and np.abs(a - b).max() <= CLOSE[name]
        assert made[0].dtype == wanted[0].dtype
        for a, b in zip(made[2:4], wanted[2:4], strict=True):
            assert a.dtype == np.bool_ and np.array_equal(a, b)


@pytest.mark.parametrize("name", TASKS)
def test_one_step_from_anywhere_is_theirs(name: str) -> None:
    """From states that random play seldom reaches, ends included; the acrobot's limits too."""
    one = gymnasium.make(name).unwrapped
    one.reset(seed=0)
    one.action_space.seed(0)
    noise_seed = np.array([one.reset(seed=s)[0][0] for s in range(60)])  # a few dozen numbers of any size
    spread = {"CartPole-v1": 40.0, "Acrobot-v1": 80.0, "MountainCarContinuous-v0": 2.0, "Pendulum-v1": 6.0}
    size = len(one.state)
    for k in range(60 - size):
        state = np.float64(noise_seed[k : k + size]) * spread[name]
        if name == "MountainCarContinuous-v0":
            state = np.float64(np.float32([-0.4 + state[0] / 2, state[1] / 10]))
        one.state, action = state.copy(), one.action_space.sample()
        if name == "CartPole-v1":
            one.steps_beyond_terminated = None
        shown, reward, terminated, _, _ = one.step(action)
        after, paid, ended = TASKS[name].step(state[:, None], np.asarray(action)[None])
        observation = TASKS[name].observe(after)[:, 0].astype(np.float32)
        assert np.allclose(observation, shown, rtol=0, atol=2e-5), (k, state)
        assert paid[0] == pytest.approx(reward, abs=1e-5) and bool(ended[0]) == terminated


def test_an_arena_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match=r"wanted at least 1 of CartPole-v1"):
        ClassicControl("Tetris", 3)
    with pytest.raises(ValueError, match="2 seeds for 3 copies"):
        ClassicControl("CartPole-v1", 3).reset(seed=[1, 2])
