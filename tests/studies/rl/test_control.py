"""Chips that act: what is known of each task, and refusal of unknown ones."""

import pytest

from studies.kit.report.film_strip import DRAWINGS
from studies.kit.rl.tasks import RL_TASKS
from studies.rl import control


@pytest.mark.parametrize("task", RL_TASKS)
def test_every_task_is_drawn_and_has_a_published_score(task: str) -> None:
    assert task in DRAWINGS and task in control.PUBLISHED


def test_unknown_tasks_are_named() -> None:
    with pytest.raises(ValueError, match="Tetris"):
        control.plan(control.Args(tasks=("Tetris",)))


def test_starts_that_are_asked_for_are_tried_in_place_of_the_task_s() -> None:
    asked = control.Trial(control.Args(starts=3), "Pendulum-v1").rl_task
    assert asked == RL_TASKS["Pendulum-v1"]._replace(starts=3)
    assert control.Trial(control.Args(), "Pendulum-v1").rl_task == RL_TASKS["Pendulum-v1"]
