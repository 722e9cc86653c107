"""Laws of every alternative: a function of its measurements, which learns, and refuses bad readings."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import BadReading, Chip, Device, Ideal, Mismatched, Probe, Reading, dense, stream
from analog.devices import SoftBoundsRRAM
from learners import Batch, CrossEntropy, Learner, alternatives, check_learner, fit, sgd
from learners.alternatives import EvolutionStrategy
from tests.learners.alternatives.rule import labeled
from tests.learners.alternatives.toy_optimizer import BetterHalf

LAYERS = (dense(6, 5), dense(5, 4), dense(4, 3, linear=True))
RECIPES: dict[str, Callable[..., Learner]] = {
    "SPSA": alternatives.spsa,
    "finite differences": lambda loss, **more: alternatives.finite_differences(loss, probes=3, **more),
    "feedback alignment": alternatives.feedback_alignment,
    "direct feedback alignment": alternatives.direct_feedback_alignment,
    "PEPITA": alternatives.pepita,
    "OpenAI-ES": alternatives.openai_es,
    "mixed precision": alternatives.mixed_precision,
    "multiplexed gradient descent": lambda loss, **more: alternatives.multiplexed_gradient_descent(
        loss, perturbations=8, size=0.03, **more
    ),
    "PEPG": alternatives.pepg,
    "physics-aware training": alternatives.physics_aware_training,
}
LEARNERS: dict[str, Learner] = {
    **{name: recipe(CrossEntropy(), update=sgd(0.1)) for name, recipe in RECIPES.items()},
    "evolution strategy": EvolutionStrategy(BetterHalf, CrossEntropy()),
}
each_learner = pytest.mark.parametrize("name", LEARNERS)


@pytest.mark.parametrize(("fleet", "device"), [(3, Mismatched()), ((1, 2), SoftBoundsRRAM())])
@each_learner
def test_it_is_a_function_of_its_measurements(name: str, fleet: Any, device: Device) -> None:
    chip = Chip(device, LAYERS, fleet)
    check_learner(LEARNERS[name], chip.port(), [labeled(chip, 4)] * 3, lambda: stream(0, "probes"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_a_learner_once_it_knows_its_steps(name: str) -> None:
    chip, recipe = Chip(Mismatched(), LAYERS, 7), RECIPES[name]
    with pytest.raises(ValueError, match=r"use `train`, or pass steps= to the recipe$"):
        list(fit(recipe(CrossEntropy()), chip.port(), [labeled(chip)], stream(0)))
    for learner in (recipe(CrossEntropy(), steps=2), recipe(CrossEntropy()).for_steps(2)):  # type: ignore[attr-defined]
        assert len(list(fit(learner, chip.port(), [labeled(chip)] * 2, stream(0)))) == 2


@each_learner
def test_readings_that_are_no_numbers_are_refused_before_anything_is_pulsed(name: str) -> None:
    chip = Chip(Ideal(), LAYERS, 3)
    port, pulsed = chip.port(), list[Any]()

    def read(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        taps = port.measure(x, probe, first=first, last=last).taps
        return Reading(tuple(torch.full_like(tap, math.nan) for tap in taps))

    broken = port._replace(measure=read, pulse=pulsed.append)
    with pytest.raises((ValueError, BadReading), match="NaN or infinite"):
        list(fit(LEARNERS[name], broken, [labeled(chip)], stream(0)))
    assert not pulsed


@each_learner
def test_its_own_objective_becomes_small(name: str) -> None:
    """On a task of two classes that one input tells apart, within 80 steps."""
    chip = Chip(Mismatched(), LAYERS, range(2))
    generator = stream(0, "easy")
    x = torch.randn(80, 16, 6, generator=generator)
    batches = [Batch(each, (each[:, 0] > 0).long()) for each in x]
    losses = [step.loss for _, step in fit(LEARNERS[name], chip.port(), batches, stream(0, "probes"))]
    assert bool((torch.stack(losses[-10:]).mean(0) < 0.8 * torch.stack(losses[:5]).mean(0)).all())
