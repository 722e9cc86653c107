"""A learner is compared at the settings whose worst chip does best on held-out training data."""

from collections.abc import Iterator, Sequence
from functools import partial
from math import log
from typing import Any

import pytest

from analog import Ideal, mlp
from learners import recipes
from learners.data import load_data
from studies.kit.recipes.tuned import MOST, RATES, Comparison, Settings, default_size
from studies.kit.run.study import Row

DATA = load_data("digits")
LAYERS = mlp(DATA.features, 4, DATA.classes)


def test_the_size_of_a_learner_is_found_by_its_name() -> None:
    assert default_size(recipes.node_perturbation) == recipes.PROBE_SIZE
    assert default_size(recipes.equilibrium_propagation) == recipes.NUDGE
    assert default_size(partial(recipes.node_perturbation, probes=1)) == recipes.PROBE_SIZE
    for own in (partial(recipes.node_perturbation, size=0.1), "node perturbation", object()):
        assert default_size(own) is None


class Known(Comparison):
    """A comparison in which it is known how well each size does."""

    best = 1.0

    def try_rates(self, method: Any, size: float | None, identities: Sequence[int]) -> Settings:
        assert len(self.data.train.x) + len(self.data.test.x) == len(DATA.train.x)  # held out
        return Settings(method, size, 0.01, 1.0 if size is None else -abs(log(size / self.best)))


@pytest.mark.parametrize(
    ("best", "found"), [(0.15, 0.15), (0.4, 0.45), (1.5, 1.35), (0.02, 0.017), (99.0, 12.0)]
)
def test_sizes_are_tried_outwards_until_they_do_worse(best: float, found: float) -> None:
    comparison = Known(Ideal(), LAYERS, DATA, 1_000)
    type(comparison).best = best
    assert comparison.choose(recipes.node_perturbation, [5]).size == pytest.approx(found, rel=0.05)
    assert found != 12.0 or MOST == 5  # the search ends there, whatever is beyond


class Told(Comparison):
    """A comparison in which chips end as told, by their learning rate."""

    def train(self, method: Any, chip: Any, factors: Any = None, points: int = 4) -> Iterator[Row]:
        assert chip.identities == (7, 8) * len(RATES)
        assert factors.tolist() == pytest.approx([r for r in RATES for _ in range(2)])
        yield {"what": "end", "accuracy": [0.8, 0.8, 0.7, 0.9, 0.2, 0.99]}


def test_the_worst_chip_decides_on_the_rate() -> None:
    chosen = Told(Ideal(), LAYERS, DATA, 1_000).choose(partial(recipes.node_perturbation, size=0.2), (7, 8))
    assert chosen.size is None and chosen.learning_rate == pytest.approx(RATES[0] * 0.01)
    assert chosen.accuracy == pytest.approx(0.8)
