"""Recipes whose rate falls over a training: by the steps that are given, or that are said later, the same."""

from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, mlp, stream, xray
from learners import Batch, CrossEntropy, Descent, Update, WeightPerturbation, adam, fit, linear_decay, sgd
from learners.access import needed_access
from learners.unscheduled import Unscheduled, with_adam


def make(update: Update) -> Descent:
    return Descent(WeightPerturbation(0.01), update, CrossEntropy(), delta_rule=False)


def taught(learner: Any) -> tuple[torch.Tensor, ...]:
    chip, x = Chip(Mismatched(), mlp(4, 3, 2), 1), torch.rand(8, 4, generator=stream(0, "unscheduled"))
    batch = Batch(x, (x[:, 0] > 0.5).long())
    list(fit(learner, chip.port(), [batch] * 3, stream(0)))
    return xray.knobs(chip)


def test_steps_that_are_said_later_make_the_same_learner() -> None:
    """As does the update that it is, spelled out."""
    later: Any = with_adam("mine", CrossEntropy(), make, 0.1, None, None)
    learners = (
        later.for_steps(3),
        with_adam("mine", CrossEntropy(), make, 0.1, None, 3),
        make(linear_decay(adam(0.1), 3)),
    )
    first, *others = map(taught, learners)
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


def test_an_update_of_ones_own_needs_no_steps() -> None:
    update = sgd(0.1)
    learner: Any = with_adam("mine", CrossEntropy(), make, 0.1, update, None)
    assert learner.update is update


def test_until_it_knows_its_steps_it_only_says_what_it_needs() -> None:
    learner, spec = (
        with_adam("mine", CrossEntropy(), make, 0.1, None, None),
        Chip(Mismatched(), mlp(4, 3, 2), 1).spec,
    )
    assert isinstance(learner, Unscheduled) and repr(learner) == "mine(...)"
    assert needed_access(learner, spec) == needed_access(make(sgd(0.1)), spec)
    with pytest.raises(ValueError, match="^mine: the learning rate falls to zero"):
        learner.init(spec)
