"""A learner is compared at the settings whose worst chip does best on held-out training data."""

from collections.abc import Iterator, Sequence
from functools import partial
from math import log
from typing import Any

import pytest

from analog import Ideal, mlp
from analog.devices import Hopfield
from learners import alternatives, recipes
from learners.data import load_data
from studies.kit.recipes.equal_reads import Settings
from studies.kit.recipes.tuned import STEP, TRIES, Comparison, Point
from studies.kit.run.study import Row

DATA = load_data("digits")
LAYERS = mlp(DATA.features, 4, DATA.classes)
THRESHOLDS = (None, 0.1, 0.3)
MANY = 50  # more tries than any search below takes


class Known(Comparison):
    """A comparison in which it is known how well each size, rate and threshold do."""

    best = Settings(1.0, 0.01, None)

    def try_points(
        self, method: Any, points: Sequence[Point], identities: Sequence[int]
    ) -> dict[Point, float]:
        assert len(self.data.train.x) + len(self.data.test.x) == len(DATA.train.x)  # held out
        assert not {*points} & asked and asked.update(points) is None
        return {point: self.score(self.settings(method, point)) for point in points}

    def score(self, settings: Settings) -> float:
        away = abs(log(settings.learning_rate / self.best.learning_rate))
        if settings.size is not None and self.best.size is not None:
            away += abs(log(settings.size / self.best.size))
        thresholds = [THRESHOLDS.index(s.write_threshold) for s in (settings, self.best)]
        return -away - abs(thresholds[0] - thresholds[1])


asked = set[Point]()


def choose(method: Any, best: Settings, tries: int = MANY, **more: Any) -> Settings:
    asked.clear()
    comparison = Known(Ideal(), LAYERS, DATA, 1_000, tries=tries, **more)
    type(comparison).best = best
    chosen = comparison.choose(method, [5])
    assert chosen.tries == len(asked) <= tries
    return chosen.settings


@pytest.mark.parametrize("steps", [0, 1, 3, -2])
@pytest.mark.parametrize("size", [0.15, 0.45, 1.35, 0.017])
def test_sizes_and_rates_are_tried_outwards_until_they_do_worse(size: float, steps: int) -> None:
    found = choose(recipes.node_perturbation, Settings(size, 0.01 * STEP**steps))
    assert found.size == pytest.approx(size, rel=0.05)
    assert found.learning_rate == pytest.approx(0.01 * STEP**steps)


def test_a_write_threshold_is_chosen_too() -> None:
    for threshold in THRESHOLDS:
        best = Settings(0.15, 0.01, threshold)
        found = choose(recipes.node_perturbation, best, write_thresholds=THRESHOLDS)
        assert found.write_threshold == threshold


@pytest.mark.parametrize("method", ["node perturbation", alternatives.spsa, "exact gradient"])
def test_every_learner_has_as_many_tries_and_no_more(method: Any) -> None:
    choose(method, Settings(99.0, 99.0), TRIES, write_thresholds=(None, 0.1))
    assert len(asked) == TRIES == 8


def test_what_a_learner_does_not_take_is_not_varied() -> None:
    choose(partial(recipes.node_perturbation, size=0.2), Settings(99.0, 0.01))
    assert {point.size for point in asked} == {0} and len(asked) == 3
    choose(partial(recipes.node_perturbation, size=0.2, learning_rate=0.1), Settings(99.0, 99.0))
    assert asked == {Point()}


def test_a_size_that_the_learner_refuses_is_not_tried() -> None:
    asked.clear()
    comparison = Known(Hopfield(), LAYERS, DATA, 1_000, tries=MANY)
    type(comparison).best = Settings(99.0, 0.01)
    assert comparison.choose("coupled learning", [5]).settings.size == pytest.approx(0.9)  # at most 1


class Told(Comparison):
    """A comparison in which chips end as told, by their learning rate."""

    def train(
        self,
        method: Any,
        chip: Any,
        settings: Settings = Settings(),
        factors: Any = None,
        points: int = 4,
    ) -> Iterator[Row]:
        rates = [1.0, STEP, 1 / STEP]
        assert chip.identities == (7, 8) * 3 and settings.learning_rate == 0.01
        assert factors.tolist() == pytest.approx([r for r in rates for _ in range(2)])
        yield {"what": "end", "accuracy": [0.7, 0.9, 0.2, 0.99, 0.9, 0.8]}


def test_the_worst_chip_decides_on_the_rate() -> None:
    comparison = Told(Ideal(), LAYERS, DATA, 1_000, tries=3)
    chosen = comparison.choose(partial(recipes.node_perturbation, size=0.2), (7, 8))
    assert chosen.settings.size is None
    assert chosen.settings.learning_rate == pytest.approx(0.01 / STEP)
    assert chosen.accuracy == pytest.approx(0.8)
