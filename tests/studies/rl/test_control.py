"""Chips that act: intervals of their scores, and refusal of unknown tasks."""

import pytest

from studies.kit.report.film_strip import DRAWN
from studies.kit.rl.tasks import RL_TASKS
from studies.rl import control


def test_an_interval_by_hand() -> None:
    """Student's t: mean 2, sd 1, three chips, 4.303 / sqrt 3."""
    assert control.interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2.4841), abs=1e-3)
    assert control.interval([7.0]) == (7.0, 0.0)


@pytest.mark.parametrize("task", RL_TASKS)
def test_every_task_is_drawn_and_has_a_published_score(task: str) -> None:
    assert task in DRAWN and task in control.PUBLISHED


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(ValueError, match="Tetris"):
        control.plan(control.Args(tasks=("Tetris",)))
