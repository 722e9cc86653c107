"""Recipes are learners with the published settings, of which `train` learns how long the training is."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Mismatched, mlp, stream, xray
from analog.devices import Hopfield
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    Feedback,
    NodePerturbation,
    SquaredError,
    adam,
    check_learner,
    fit,
    linear_decay,
    recipes,
    sgd,
)
from learners.local import CoupledLearning, EquilibriumPropagation

RECIPES = [recipes.learned_feedback, recipes.node_perturbation, recipes.weight_perturbation]


def lessons(count: int) -> list[Batch]:
    generator = stream(0, "recipes")
    return [
        Batch(torch.rand(16, 8, generator=generator), torch.randint(3, (16,), generator=generator))
        for _ in range(count)
    ]


def test_learned_feedback_is_what_the_tables_say() -> None:
    """Bitwise: 4 probes of 0.15 V, a mask, feedback, the delta rule, Adam whose rate falls to 0."""
    spelled = Descent(
        NodePerturbation(0.15, 4),
        linear_decay(adam(1e-2), 6),
        CrossEntropy(),
        control_variate=Feedback(0.98, 0.2),
    )
    chips = [Chip(Mismatched(), mlp(8, 6, 3), 7) for _ in range(2)]
    for chip, learner in zip(
        chips, (spelled, recipes.learned_feedback(CrossEntropy(), steps=6)), strict=True
    ):
        list(fit(learner, chip.port(), lessons(6), stream(0)))
    assert all(torch.equal(a, b) for a, b in zip(*map(xray.knobs, chips), strict=True))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.__name__)
def test_a_recipe_is_a_learner_once_it_knows_its_steps(recipe: Any) -> None:
    port = Chip(Mismatched(), mlp(8, 6, 3), 7).port()
    check_learner(recipe(CrossEntropy(), steps=3), port, lessons(3), lambda: stream(0, "probes"))
    check_learner(recipe(CrossEntropy(), update=sgd(0.1)), port, lessons(3), lambda: stream(0, "probes"))
    check_learner(recipe(CrossEntropy()).for_steps(3), port, lessons(3), lambda: stream(0, "probes"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.__name__)
def test_a_recipe_that_does_not_know_its_steps_says_what_to_do(recipe: Any) -> None:
    port = Chip(Mismatched(), mlp(8, 6, 3), 7).port()
    with pytest.raises(
        ValueError, match=rf"^{recipe.__name__}: .* use `train`, or pass steps= to the recipe"
    ):
        list(fit(recipe(CrossEntropy()), port, lessons(1), stream(0)))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.__name__)
def test_a_loss_that_is_a_class_is_refused_when_the_recipe_is_made(recipe: Any) -> None:
    with pytest.raises(TypeError, match=rf"^{recipe.__name__}: loss is .*; write CrossEntropy\(\)$"):
        recipe(CrossEntropy)
    with pytest.raises(TypeError, match="subclass of learners.Loss$"):
        recipe(str)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.__name__)
def test_a_chip_that_errs_nowhere_is_taught_nothing_or_little(recipe: Any) -> None:
    chip = Chip(Ideal(), mlp(8, 6, 3), 7)
    x = lessons(1)[0].x
    wanted = chip.port().measure(x).out
    learner = recipe(SquaredError(), update=sgd(0.1))
    for _, step in fit(learner, chip.port(), [Batch(x, wanted)] * 3, stream(0)):
        assert float(step.loss) < 1e-4


def test_equilibrium_propagation_and_coupled_learning_are_recipes_for_chips_that_relax() -> None:
    port = Chip(Hopfield(), mlp(8, 6, 3), 7).port()
    check_learner(
        recipes.equilibrium_propagation(CrossEntropy(), steps=3),
        port,
        lessons(3),
        lambda: stream(0, "probes"),
    )
    loss = CrossEntropy()
    spelled = EquilibriumPropagation(sgd(0.1), loss, 0.2, "away", 2, False)
    made = recipes.equilibrium_propagation(
        loss, nudge=0.2, nudging="away", pairs=2, chopped=False, update=spelled.update
    )
    assert made == spelled
    coupled = recipes.coupled_learning(loss, amplitude=0.3, every=5, update=spelled.update)
    assert coupled == CoupledLearning(spelled.update, loss, 0.3, 5)
    with pytest.raises(ValueError, match="equilibrium_propagation: .* use `train`"):
        list(fit(recipes.equilibrium_propagation(CrossEntropy()), port, lessons(1), stream(0)))
