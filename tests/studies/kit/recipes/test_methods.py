"""Methods under the names of rows: what each is, what it needs, and one's own by reference."""

from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, mlp, stream, xray
from analog.wires import Access
from learners import Batch, CrossEntropy, adam, fit, recipes, sgd
from learners.access import needed_access
from learners.data import load_data
from studies.kit.recipes.best_rate import best_exact_rate
from studies.kit.recipes.methods import METHODS, PROBED_NODES, Setup, make_learner, method_name
from studies.kit.run.references import resolve

NEEDS = {
    "weight perturbation": Access("outputs", node_probes=False),
    "weight perturbation + delta rule": Access("taps", node_probes=False),
    "weight perturbation + feedback": Access("taps", node_probes=False),
    "measured feedback": Access("spans", node_probes=False),
}


def chip() -> Chip:
    return Chip(Mismatched(), mlp(8, 6, 3), 7)


def taught(learner: Any, pupil: Chip) -> tuple[torch.Tensor, ...]:
    generator = stream(0, "methods")
    batch = Batch(torch.rand(16, 8, generator=generator), torch.randint(3, (16,), generator=generator))
    list(fit(learner, pupil.port(), [batch] * 4, stream(0, "probes")))
    return xray.knobs(pupil)


def same(one: Any, other: Any) -> bool:
    return all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", [n for n in METHODS if n != "exact gradient"])
def test_a_method_needs_what_its_row_says(name: Any) -> None:
    learner = make_learner(name, Setup(chip(), sgd(0.1)))
    wanted = NEEDS.get(name, Access("taps", node_probes=True))
    assert needed_access(learner, chip().spec) == wanted
    assert wanted.node_probes == (name in PROBED_NODES)


def test_every_method_teaches_something_else() -> None:
    ends = []
    for name in METHODS:
        pupil = chip()
        ends.append(taught(make_learner(name, Setup(pupil, sgd(0.1))), pupil))
    assert not any(same(a, b) for i, a in enumerate(ends) for b in ends[:i])


def test_a_recipe_by_reference_is_that_recipe() -> None:
    recipe = resolve("learners.recipes:measured_feedback")
    assert method_name(recipe) == "learners.recipes:measured_feedback"
    assert method_name("learned feedback") == "learned feedback"
    ours, theirs = chip(), chip()
    by_name = taught(make_learner(recipe, Setup(ours, sgd(0.1))), ours)
    assert same(by_name, taught(recipes.measured_feedback(CrossEntropy(), update=sgd(0.1)), theirs))


def test_the_best_of_three_rates_is_neither_too_small_nor_too_large() -> None:
    data = load_data("digits")
    rest: dict[str, Any] = {"batch": 64, "steps": 40, "identity": 5, "seed": 0}
    layers = mlp(64, 12, 10)
    for start, wanted in ((1e-2, 1.0), (1e-4, 100.0), (1.0, 0.01)):
        found = best_exact_rate(Mismatched(), layers, data, adam(start), rates=(0.01, 1.0, 100.0), **rest)
        assert found == wanted
