"""Towers by their names: how high they are and what their levels begin with."""

import pytest

from learners import Update
from studies.kit.digital import chandra2022
from studies.kit.recipes.tower import ABOVE, Algorithm, Tower


def rates(update: Update | None) -> list[object]:
    found: list[object] = []
    while update is not None and update.rule is not None:
        found.append(update.rule.hyperparameters["learning_rate"].value)
        update = None if update.tuner is None else update.tuner.update
    return found


@pytest.mark.parametrize("algorithm", ["ours", "ours, horizon 0", "as published"])
def test_a_tower_of_height_1_is_the_optimizer_alone(algorithm: Algorithm) -> None:
    alone = Tower("adam", 1, algorithm).update(0.01, 100)
    assert rates(alone) == [0.01] and alone.tuner is None


def test_the_highest_levels_rate_is_multiplied_and_no_other() -> None:
    assert rates(Tower("sgd", 3).update(0.01, 100, 7.0)) == [0.01, ABOVE[0], 7 * ABOVE[1]]
    published = rates(Tower("sgd", 3, "as published").update(0.01, 100, 7.0))
    assert published == [0.01, chandra2022.ABOVE["sgd"], 7 * chandra2022.HIGHER["sgd"]]


def test_horizon_and_warm_up_are_of_ours_alone() -> None:
    def clock(algorithm: Algorithm) -> tuple[float, int]:
        tuner = Tower("adam", 2, algorithm, horizon=0.3, warmup=0.1).update(0.01, 50).tuner
        assert tuner is not None
        return tuner.horizon, tuner.warmup

    assert clock("ours") == (0.3, 5)
    assert clock("ours, horizon 0") == clock("as published") == (0.0, 0)
