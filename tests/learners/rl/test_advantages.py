"""Generalized advantages: their two ends by hand, and where episodes end."""

import torch

from learners.rl import generalized_advantages
from learners.rl.reinforce import return_to_go

REWARD = torch.tensor([[1.0], [2.0], [4.0]], dtype=torch.float64)  # three steps of one episode
VALUE = torch.tensor([[0.5], [-1.0], [3.0]], dtype=torch.float64)
YES, NO = torch.ones(3, 1, dtype=torch.bool), torch.zeros(3, 1, dtype=torch.bool)
OVER = torch.tensor([[False], [False], [True]])


def test_with_a_whole_trace_they_are_returns_less_what_was_expected() -> None:
    gains = generalized_advantages(REWARD, VALUE, YES, OVER, 0.8, 1.0)
    assert torch.allclose(gains, return_to_go(REWARD, 0.8) - VALUE, atol=1e-12)


def test_without_a_trace_they_are_one_error_each() -> None:
    gains = generalized_advantages(REWARD, VALUE, YES, OVER, 0.5, 0.0)
    assert gains.flatten().tolist() == [1.0 - 0.5 - 0.5, 2.0 + 1.5 + 1.0, 4.0 - 3.0]


def test_an_episode_that_the_clock_ends_goes_on_at_its_last_value() -> None:
    gains = generalized_advantages(REWARD, VALUE, YES, NO, 0.5, 0.0)
    assert float(gains[-1]) == 4.0 + 0.5 * 3.0 - 3.0


def test_what_comes_after_an_episode_counts_for_nothing() -> None:
    """Two steps of an episode that the clock ends are the same as three, of which the last was not played."""
    going = torch.tensor([[True], [True], [False]])
    gains = generalized_advantages(REWARD * going, VALUE, going, NO, 0.8, 0.9)
    alone = generalized_advantages(REWARD[:2], VALUE[:2], YES[:2], NO[:2], 0.8, 0.9)
    assert torch.equal(gains[:2], alone) and float(gains[2]) == 0


def test_chips_and_episodes_do_not_meet() -> None:
    shape, drawn = (2, 5, 3), torch.Generator().manual_seed(0)
    reward, value = (torch.randn(shape, generator=drawn, dtype=torch.float64) for _ in range(2))
    going, over = torch.ones(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    side_by_side = generalized_advantages(reward, value, going, over, 0.9, 0.7)
    one = (slice(1, 2), slice(None), slice(2, 3))
    alone = generalized_advantages(reward[one], value[one], going[one], over[one], 0.9, 0.7)
    assert torch.allclose(side_by_side[one], alone, atol=1e-12)
