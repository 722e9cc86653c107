"""Rollouts: episodes of fleets, their ends, and environments that do not fit."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Mismatched, dense, stream
from learners.rl import Argmax, ObservationNormalizer, episode_stats, rollout
from tests.learners.rl.toy_envs import MODES, signs, unequal

LAYERS = (dense(1, 3), dense(3, 2, linear=True))


def tally(who: Any = 5, **mode: Any) -> Any:
    chip = Chip(Mismatched(), LAYERS, who)
    env = unequal([2, 5, 1, 3] * (1 if isinstance(who, int) else len(who)), **mode)
    fleet = len(chip.spec.fleet)
    seeds = list(range(env.num_envs))
    return episode_stats(
        rollout(chip.port(), env, Argmax(), ObservationNormalizer.empty(chip.spec), stream(0), seeds=seeds),
        fleet,
    )


@pytest.mark.skipif(MODES is None, reason="this gymnasium knows but one way")
def test_it_makes_no_difference_when_finished_episodes_are_reset() -> None:
    """Next step or same step: the first episodes are the same, bit for bit, and only they are counted."""
    next_step, same_step = (tally(autoreset_mode=m) for m in (MODES.NEXT_STEP, MODES.SAME_STEP))
    assert torch.equal(next_step.returns, same_step.returns)
    assert next_step.lengths.tolist() == same_step.lengths.tolist() == [2, 5, 1, 3]
    assert all(torch.equal(a, b) for a, b in zip(next_step.normalizer, same_step.normalizer, strict=True))
    assert float(next_step.normalizer.samples) == 11
    with pytest.raises(ValueError, match="disabled"):
        tally(autoreset_mode=MODES.DISABLED)


def test_an_end_by_the_rules_and_one_by_the_clock_are_kept_apart() -> None:
    chip = Chip(Ideal(), LAYERS)
    for rules, what in (({"rounds": 3}, "terminated"), ({"rounds": 9, "clock": 3}, "truncated")):
        play = list(
            rollout(
                chip.port(),
                signs(2, **rules),
                Argmax(),
                ObservationNormalizer.empty(chip.spec),
                stream(0),
                seeds=[1, 2],
            )
        )
        assert len(play) == 3
        ended = {w: [bool(getattr(m, w).all()) for m in play] for w in ("terminated", "truncated")}
        assert ended.pop(what) == [False, False, True]
        assert not any(next(iter(ended.values())))


def test_a_fleet_plays_as_its_chips_do_alone() -> None:
    """Noiseless, so that dice do not matter."""
    baseline = Mismatched(read_noise=0.0)
    together = Chip(baseline, LAYERS, range(3))
    env = signs(6)
    fleet = episode_stats(
        rollout(
            together.port(),
            env,
            Argmax(),
            ObservationNormalizer.empty(together.spec),
            stream(0),
            seeds=list(range(6)),
        ),
        1,
    )
    for i in range(3):
        one = Chip(baseline, LAYERS, i)
        seeds = [2 * i, 2 * i + 1]
        own = episode_stats(
            rollout(
                one.port(), signs(2), Argmax(), ObservationNormalizer.empty(one.spec), stream(0), seeds=seeds
            ),
            0,
        )
        assert torch.equal(own.returns, fleet.returns[i])


def test_an_environment_that_does_not_fit_is_named() -> None:
    chip = Chip(Ideal(), LAYERS, range(2))
    with pytest.raises(ValueError, match="3 sub-environments for 2"):
        next(
            rollout(
                chip.port(), signs(3), Argmax(), ObservationNormalizer.empty(chip.spec), stream(0), seeds=0
            )
        )
    wide = Chip(Ideal(), (dense(4, 2, linear=True),))
    with pytest.raises(ValueError, match="shows 1 numbers, the chip takes 4"):
        next(
            rollout(
                wide.port(), signs(2), Argmax(), ObservationNormalizer.empty(wide.spec), stream(0), seeds=0
            )
        )
