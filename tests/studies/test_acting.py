"""Studies of acting: fleets, intervals, films, and the story an apprentice goes through."""

from dataclasses import replace

import pytest

from analog import Ideal
from analog import Mismatched
from analog import xray
from studies.handing_on import apprentice
from studies.kit.report.film_strip import DRAWN
from studies.kit.rl.tasks import RL_TASKS
from studies.kit.rl.tasks import RLTask
from studies.kit.rl.tasks import by_episodes
from studies.kit.rl.tasks import by_steps
from studies.kit.rl.tasks import fresh_policies
from studies.kit.rl.tasks import make_env
from studies.rl import control


def test_an_interval_by_hand() -> None:
    """Student's t: mean 2, sd 1, three chips, 4.303 / sqrt 3."""
    assert control.interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2.4841), abs=1e-3)
    assert control.interval([7.0]) == (7.0, 0.0)


@pytest.mark.parametrize("skill", RL_TASKS.values(), ids=lambda s: s.task)
def test_a_round_begun_with_steps_left_ends_within_them(rl_task: RLTask) -> None:
    """However long its episodes are."""
    for learner in (by_episodes(rl_task), by_steps(rl_task)):
        env = make_env(rl_task, learner, 1)
        assert (
            learner.max_env_steps is not None
            and learner.max_env_steps - 1 + env.num_envs * env.limit <= rl_task.max_env_steps
        )
    assert rl_task.task in DRAWN and rl_task.task in control.PUBLISHED


def test_novices_do_nothing_of_their_own_and_are_told_apart() -> None:
    chip = fresh_policies(Ideal(), RL_TASKS["Pendulum-v1"], range(3), 0)
    hidden, out = xray.knobs(chip)
    assert float(out.abs().max()) == 0 and float(hidden.abs().max()) > 0.1


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(ValueError, match="Tetris"):
        control.plan(control.Args(tasks=("Tetris",)))
    with pytest.raises(ValueError, match="Tetris"):
        apprentice.plan(apprentice.Args(tasks=("Tetris",)))


def test_a_short_practice_already_balances_and_is_handed_on() -> None:
    """With a fifth of the steps and a few lessons; well above the 9 steps of a pole that just falls."""
    args = apprentice.Args(("CartPole-v1",), Mismatched(), apprentices=4, episodes=10, steps=10_000)
    args = replace(args, rounds=2, lessons=100)
    rows = list(apprentice.run(apprentice.Trial(args)))
    mean = {
        what: sum(r["score"] for r in rows if r["what"] == what) / sum(r["what"] == what for r in rows)
        for what in ("teacher", "copy", "apprentice")
    }
    agreed = {
        what: sum(r["agreement"] for r in rows if r["what"] == what) / 4 for what in ("copy", "apprentice")
    }
    assert mean["teacher"] > 60 and mean["apprentice"] > 60
    assert agreed["apprentice"] > agreed["copy"]
