"""Methods under the names of rows: what each is, what it needs, and one's own by reference."""

import json
import pickle
import re
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import pytest
import torch
import tyro

from analog import Chip, Mismatched, mlp, stream, xray
from analog.devices import Hopfield
from analog.wires import Access
from learners import Batch, CrossEntropy, adam, fit, linear_decay, recipes, sgd
from learners.access import needed_access
from learners.data import load_data
from studies.kit.recipes.best_rate import best_exact_rate
from studies.kit.recipes.methods import (
    HOMES,
    METHODS,
    NAMES,
    PROBED_NODES,
    AnyLearner,
    Setup,
    default_size,
    make_learner,
    method_name,
    read_learner,
    takes_update,
)
from studies.kit.run.arguments import require_module
from studies.kit.run.manifest import to_json
from studies.kit.run.provenance import code_digests
from studies.kit.run.references import BadReference, resolve

NEEDS = {
    "weight perturbation": Access("outputs", node_probes=False),
    "weight perturbation + delta rule": Access("taps", node_probes=False),
    "weight perturbation + feedback": Access("taps", node_probes=False),
    "measured feedback": Access("spans", node_probes=False),
    "SPSA": Access("outputs", node_probes=False),
    "finite differences": Access("outputs", node_probes=False),
    "feedback alignment": Access("taps", node_probes=False),
    "direct feedback alignment": Access("taps", node_probes=False),
    "PEPITA": Access("taps", node_probes=False),
    "OpenAI-ES": Access("outputs", node_probes=False),
    "separable CMA-ES": Access("outputs", node_probes=False),
    "multiplexed gradient descent": Access("outputs", node_probes=False),
    "PEPG": Access("outputs", node_probes=False),
    "mixed precision": Access("spans", node_probes=False),
    "physics-aware training": Access("spans", node_probes=False),
    "Tiki-Taka 2": Access("spans", node_probes=False),
    "chopped Tiki-Taka": Access("spans", node_probes=False),
    "AGAD": Access("spans", node_probes=False),
}
SLOW = ("Tiki-Taka 2", "chopped Tiki-Taka", "AGAD")  # gather before they send
RELAXING = ("equilibrium propagation", "coupled learning")  # push the outputs of chips that relax
WANTED = {"separable CMA-ES": "cmaes"}  # a library that is an extra
INSTALLED = [n for n in METHODS if n not in WANTED or find_spec(WANTED[n])]


def chip() -> Chip:
    return Chip(Mismatched(), mlp(8, 6, 5, 3), 7)  # with one hidden layer, feedback alignment is direct


def taught(learner: Any, pupil: Chip, steps: int = 4) -> tuple[torch.Tensor, ...]:
    generator = stream(0, "methods")
    batch = Batch(torch.rand(16, 8, generator=generator), torch.randint(3, (16,), generator=generator))
    list(fit(learner, pupil.port(), [batch] * steps, stream(0, "probes")))
    return xray.knobs(pupil)


def same(one: Any, other: Any) -> bool:
    return all(map(torch.equal, one, other))


@pytest.mark.parametrize("name", [n for n in INSTALLED if n != "exact gradient"])
def test_a_method_needs_what_its_row_says(name: Any) -> None:
    learner = make_learner(name, Setup(chip(), sgd(0.1)))
    wanted = NEEDS.get(name, Access("taps", node_probes=True))
    assert needed_access(learner, chip().spec) == wanted
    assert wanted.node_probes == (name in PROBED_NODES or name in RELAXING)


def test_every_method_teaches_something_else() -> None:
    ends = []
    for name in INSTALLED:
        pupil = Chip(Hopfield(), chip().spec.layers, 7) if name in RELAXING else chip()
        more: Any = {"update": sgd(1.0), "size": 0.3} if name in SLOW else {"update": sgd(0.1)}
        ends.append(taught(make_learner(name, Setup(pupil, **more)), pupil, 24 if name in SLOW else 4))
    assert not any(same(a, b) for i, a in enumerate(ends) for b in ends[:i])


def test_an_alternative_is_found_by_its_bare_name_and_with_arguments_as_the_recipe() -> None:
    with pytest.raises(BadReference, match=r"perhaps 'separable CMA-ES'; "):
        require_module("separable_cma", "learner", HOMES, NAMES)
    with pytest.raises(BadReference, match=r"perhaps 'learners.alternatives:separable_cma_es\(sigma=1\)'"):
        require_module("separable_cma(sigma=1)", "learner", HOMES, NAMES)


@pytest.mark.parametrize("name", INSTALLED)
def test_a_method_learns_by_the_size_that_it_is_given(name: Any) -> None:
    """And by its default where it is given none."""

    def end(size: float | None) -> Any:
        pupil = Chip(Hopfield(), chip().spec.layers, 7) if name in RELAXING else chip()
        return taught(make_learner(name, Setup(pupil, sgd(1.0), size=size)), pupil)

    default = default_size(name)
    assert (default is None) == (name == "exact gradient")
    assert same(end(None), end(default)) and same(end(None), end(0.7)) == (default is None)


def test_what_takes_no_update_is_not_given_rates() -> None:
    assert not takes_update("separable CMA-ES")
    assert all(takes_update(name) for name in METHODS if name != "separable CMA-ES")


def test_a_recipe_by_reference_is_that_recipe() -> None:
    recipe = resolve("learners.recipes:measured_feedback")
    assert method_name(recipe) == "learners.recipes:measured_feedback"
    assert method_name("learned feedback") == "learned feedback"
    ours, theirs = chip(), chip()
    by_name = taught(make_learner(recipe, Setup(ours, sgd(0.1))), ours)
    assert same(by_name, taught(recipes.measured_feedback(CrossEntropy(), update=sgd(0.1)), theirs))


class Coin:
    """A learner that pulses nothing."""

    def __init__(self, loss: Any = None, *, size: float = 1.0) -> None:
        self.loss, self.size = loss, size

    def init(self, spec: Any) -> None:
        del spec

    def step(self, port: Any, batch: Any, state: None, generator: Any) -> Any:
        raise NotImplementedError


@dataclass(frozen=True)
class Maker:
    """Arguments first, then the loss."""

    size: float

    def __call__(self, loss: Any) -> Coin:
        return Coin(loss, size=self.size)


def wants_loss(loss: Any, size: float, *, steps: int | None = None) -> Coin:
    return Coin(loss, size=size)


HERE = "tests.studies.kit.recipes.test_methods"


def test_the_size_of_a_learner_is_found_by_its_name() -> None:
    assert default_size(recipes.node_perturbation) == recipes.PROBE_SIZE == default_size("learned feedback")
    assert default_size(recipes.equilibrium_propagation) == recipes.NUDGE
    assert default_size(partial(recipes.node_perturbation, probes=1)) == recipes.PROBE_SIZE
    assert default_size(Coin) == 1.0
    for own in (partial(recipes.node_perturbation, size=0.1), "exact gradient", object(), Coin()):
        assert default_size(own) is None


@pytest.mark.parametrize("word", ["Maker(0.5)", "Maker(size=0.5)", "wants_loss(0.5)", "wants_loss(size=0.5)"])
def test_what_is_named_is_called_with_its_arguments_and_then_with_the_loss(word: str) -> None:
    method = read_learner(f"{HERE}:{word}")
    loss = CrossEntropy()
    made: Any = make_learner(method, Setup(chip(), sgd(0.1), loss=loss))
    assert made.loss is loss and made.size == 0.5
    again: Any = make_learner(read_learner(method_name(method)), Setup(chip(), sgd(0.1)))
    assert again.size == 0.5
    assert pickle.loads(pickle.dumps(method))(loss).size == 0.5
    assert "0.5" in json.dumps(to_json(method)) and HERE in code_digests(HERE, Holder(method))


@dataclass(frozen=True)
class Holder:
    learner: Any


def test_what_is_a_learner_already_is_taken_as_it_is() -> None:
    method = read_learner(f"{HERE}:Coin(size=2.0)")
    assert make_learner(method, Setup(chip(), sgd(0.1))) is method and not takes_update(method)


def test_our_recipes_by_reference_learn_the_length_of_the_training_and_take_the_update() -> None:
    plain = read_learner("learners.recipes:node_perturbation")
    slow = read_learner("learners.recipes:node_perturbation(learning_rate=0.003)")
    assert takes_update(plain) and not takes_update(slow)
    ours, theirs = chip(), chip()
    by_name = taught(make_learner("node perturbation", Setup(ours, sgd(0.1))), ours)
    assert same(by_name, taught(make_learner(plain, Setup(theirs, sgd(0.1))), theirs))
    update = linear_decay(adam(0.003), 4)
    ours, theirs = chip(), chip()
    by_hand = taught(recipes.node_perturbation(CrossEntropy(), update=update), ours)
    assert same(by_hand, taught(make_learner(slow, Setup(theirs, sgd(0.1), steps=4)), theirs))


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("node pertubation", "perhaps 'node perturbation'"),
        ("learned-feedback", "perhaps 'learned feedback'"),
        ("Learned_Feedback", "perhaps 'learned feedback'"),
        ("pepita", "perhaps 'PEPITA'"),
        ("direct-feedbak-alignment", "perhaps 'direct feedback alignment'"),
        ("separable-cma_es()", "perhaps 'learners.alternatives:separable_cma_es()'"),
        ("node_perturbation(size=1)", "perhaps 'learners.recipes:node_perturbation(size=1)'"),
        ("learners.recipies:node_perturbation", "perhaps 'learners.recipes'"),
        ("learners.recipes:node_pertubation", "perhaps 'node_perturbation'"),
        ("learners.recipes:node_perturbation(sise=1)", "perhaps 'size'"),
        ("learners.recipes:PROBES", "is no learner"),
    ],
)
def test_a_misspelt_learner_is_answered_with_the_nearest(word: str, said: str) -> None:
    with pytest.raises(BadReference, match=re.escape(said)):
        tyro.cli(OneLearner, args=["--learner", word])


@dataclass(frozen=True)
class OneLearner:
    learner: AnyLearner = "learned feedback"


def gives_the_loss(loss: Any) -> Any:
    return loss


def test_what_gives_no_learner_is_refused_by_its_name() -> None:
    with pytest.raises(ValueError, match="gives_the_loss.*: gave a CrossEntropy of the loss"):
        make_learner(partial(gives_the_loss), Setup(chip(), sgd(0.1)))


def test_the_best_of_three_rates_is_neither_too_small_nor_too_large() -> None:
    data = load_data("digits")
    rest: dict[str, Any] = {"batch": 64, "steps": 40, "identity": 5, "seed": 0}
    layers = mlp(64, 12, 10)
    for start, wanted in ((1e-2, 1.0), (1e-4, 100.0), (1.0, 0.01)):
        found = best_exact_rate(Mismatched(), layers, data, adam(start), rates=(0.01, 1.0, 100.0), **rest)
        assert found == wanted
