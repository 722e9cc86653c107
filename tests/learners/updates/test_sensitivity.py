"""Sensitivities are the derivatives of the drive, in closed form and by automatic differentiation."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from analog import stream
from analog.spec import Knobs
from learners.updates.record import Rule, TakenStep
from learners.updates.sensitivity import sensitivities

from .sequences import F64, SHAPES, UPDATES, gradients, zeros_like

Numbers = dict[str, Tensor]


def rule_of(name: str) -> Rule:
    rule = UPDATES[name](0.02).rule
    assert rule is not None
    return rule


def take(rule: Rule, gradient: Knobs, state: Any, values: Numbers) -> TakenStep:
    return TakenStep(gradient, state, *rule.step(gradient, state, **values, **rule.constants))


def taken(name: str, seed: int) -> tuple[Rule, TakenStep, Numbers]:
    """The fourth step of a rule with random hyper-parameters."""
    rule, generator, sequence = rule_of(name), stream(0, "sensitivity", name, seed), gradients(4, name, seed)
    values = {
        n: torch.rand(1, 1, 1, generator=generator, dtype=F64) * 0.8 + 0.1 for n in rule.hyperparameters
    }
    step = take(rule, sequence[0], rule.init(zeros_like(sequence[0])), values)
    for gradient in sequence[1:]:
        step = take(rule, gradient, step.after, values)
    return rule, step, values


@pytest.mark.parametrize("name", UPDATES)
@given(seed=st.integers(0, 20))
def test_sensitivities_are_those_of_the_drive(name: str, seed: int) -> None:
    """Central differences of the drive, hyper-parameter by hyper-parameter."""
    rule, step, values = taken(name, seed)
    for word, sensitivity in sensitivities(rule, step, values).items():
        up, down = (
            take(rule, step.gradient, step.before, values | {word: values[word] + side}).drive
            for side in (1e-5, -1e-5)
        )
        for high, low, derivative in zip(up, down, sensitivity, strict=True):
            torch.testing.assert_close((high - low) / 2e-5, derivative, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", UPDATES)
@given(seed=st.integers(0, 20))
def test_short_cuts_agree_with_automatic_differentiation(name: str, seed: int) -> None:
    """Closed forms, and what is known of numbers that the drive is proportional to, change nothing."""
    rule, step, values = taken(name, seed)
    numbers = {n: replace(h, scales_drive=False) for n, h in rule.hyperparameters.items()}
    automatic = sensitivities(replace(rule, derivatives=None, hyperparameters=numbers), step, values)
    for word, sensitivity in sensitivities(rule, step, values).items():
        for ours, derivative in zip(sensitivity, automatic[word], strict=True):
            torch.testing.assert_close(ours, derivative, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("automatic", [False, True])
@pytest.mark.parametrize("name", UPDATES)
def test_cells_without_a_gradient_have_no_sensitivity(name: str, automatic: bool) -> None:
    """As with pixels that are always black: 0, not 0/0."""
    rule, zeros = rule_of(name), tuple(torch.zeros(s) for s in SHAPES)
    rule = replace(rule, derivatives=None) if automatic else rule
    values = {word: torch.full((1, 1, 1), 0.5) for word in rule.hyperparameters}
    step = take(rule, zeros, rule.init(zeros), values)
    for sensitivity in sensitivities(rule, step, values).values():
        assert all(bool((s == 0).all()) for s in sensitivity)
