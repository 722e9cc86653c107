"""Learners on chips whose layers have a state: what learns through time, and what says that it cannot."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, Layer, Mismatched, Tape, dense, stream, taped, xray
from analog.layers import LastStep, channel_mixing, prepared, recurrent
from learners import (
    Batch,
    Feedback,
    Learner,
    MeasuredFeedback,
    NodePerturbation,
    SquaredError,
    WeightPerturbation,
    adam,
    alternatives,
    check_learner,
    fit,
    recipes,
    sgd,
)
from learners.descent import Descent
from learners.estimators import Flipout, KnobFeedback
from learners.local import LocoProp, PerturbedNodeGradients, TargetPropagation

F64 = torch.float64
STEPS = 3
LAYERS: dict[str, tuple[Layer, ...]] = {
    "every": (recurrent(2, 4, STEPS), channel_mixing(STEPS, 4, 2, linear=True)),
    "last": (recurrent(2, 4, STEPS), prepared(dense(4, 2, linear=True), LastStep(STEPS))),
}
LOSS = SquaredError()
LEARNERS: dict[str, Learner] = {
    "node perturbation": Descent(NodePerturbation(0.1), sgd(0.05), LOSS),
    "feedback": Descent(NodePerturbation(0.1), sgd(0.05), LOSS, control_variate=Feedback()),
    "weight perturbation": Descent(WeightPerturbation(0.01), sgd(0.05), LOSS),
    "knob feedback": Descent(WeightPerturbation(0.01), sgd(0.05), LOSS, control_variate=KnobFeedback()),
    "flipout": Descent(Flipout(0.01), sgd(0.05), LOSS, delta_rule=False),
    "direct feedback alignment": alternatives.direct_feedback_alignment(LOSS, update=sgd(0.05)),
    "PEPITA": alternatives.pepita(LOSS, update=sgd(0.05)),
}


def shown(chip: Chip, count: int = 1, examples: int = 16) -> list[Batch]:
    generator = stream(0, "states", count)
    sizes = (chip.spec.layers[0].features_in, chip.spec.layers[-1].features)
    x, target = (torch.randn(count, examples, n, generator=generator).to(chip.spec.dtype) for n in sizes)
    return [Batch(*each) for each in zip(x, target, strict=True)]


@pytest.mark.parametrize("layers", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_it_is_a_function_of_its_measurements(learner: Learner, layers: tuple[Layer, ...]) -> None:
    chip = Chip(Mismatched(), layers, (0, 1))
    check_learner(learner, chip.port(), shown(chip, 3), lambda: stream(0, "probes"))


@pytest.mark.parametrize(
    "estimator", [NodePerturbation(1e-4, 4096), WeightPerturbation(1e-4, 4096), Flipout(1e-4, 4096)], ids=repr
)
def test_a_step_goes_down_the_exact_gradient_through_time(estimator: Any) -> None:
    """Within the noise of 4,096 directions, which leave a relative error near the root of nodes / 4,096."""
    chip = Chip(Ideal(), LAYERS["last"], 3, dtype=F64)
    (batch,) = shown(chip, examples=4)
    tape = Tape(chip.spec)
    exact = xray.knob_gradient(chip, batch.x, batch.target, LOSS)
    learner = Descent(estimator, sgd(1.0), LOSS, delta_rule=False)
    list(fit(learner, taped(chip.port(), tape), [batch], stream(0, "probes")))
    (drive,) = (drive for wire, drive, _ in tape.events if wire == "pulse")
    told, wanted = (torch.cat([part.flatten() for part in parts]) for parts in (drive, exact))
    assert float((-told - wanted).norm() / wanted.norm()) < 0.25


def test_memory_is_learned() -> None:
    """What is wanted came in at the first step, so only a state can know it at the last."""
    chip = Chip(
        Mismatched(), (recurrent(1, 12, STEPS), prepared(dense(12, 1, linear=True), LastStep(STEPS))), 1
    )
    generator, batches = stream(0, "memory"), []
    for _ in range(400):
        x = torch.randn(64, STEPS, generator=generator)
        batches.append(Batch(x, x[:, :1]))
    learner = Descent(NodePerturbation(0.15, 4), adam(1e-2), LOSS)
    losses = [float(step.loss) for _, step in fit(learner, chip.port(), batches, stream(0, "probes"))]
    assert sum(losses[-20:]) / 20 < 0.1  # half the variance of what is wanted is 0.5


@pytest.mark.parametrize(
    "learner",
    [
        MeasuredFeedback(sgd(0.1), LOSS),
        recipes.measured_feedback(LOSS, steps=1),
        alternatives.physics_aware_training(LOSS, update=sgd(0.1)),
        alternatives.mixed_precision(LOSS, update=sgd(0.1)),
        LocoProp(PerturbedNodeGradients(NodePerturbation(0.1)), sgd(0.1), LOSS, 0.1),
        TargetPropagation(sgd(0.1), sgd(0.1), LOSS, 0.1),
    ],
    ids=lambda learner: type(learner).__name__,
)
def test_what_cannot_learn_through_time_says_so_before_it_reads(learner: Learner) -> None:
    chip = Chip(Mismatched(), LAYERS["last"], 3)
    tape = Tape(chip.spec)
    with pytest.raises(ValueError, match="layer 0 has a state, carried through 3 steps"):
        list(fit(learner, taped(chip.port(), tape), shown(chip), stream(0)))
    assert not tape.events
