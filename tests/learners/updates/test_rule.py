"""A user's own rule, written once and with no derivative, gives the plain update and the tuned one."""

from typing import Any

import pytest
import torch

from analog.spec import Knobs
from learners import Hyperparameter, Tuner, Update, adagrad, rmsprop, sgd, update_rule
from learners.updates.hyperparameter import Number

from .oracle import oracle_drives
from .sequences import F64, assert_equal_to_rounding, drives, gradients


def nesterov(learning_rate: Number, beta: Number = 0.9, *, tuned_by: Update | Tuner | None = None) -> Update:
    """Nesterov's momentum, in the form of torch."""

    def step(gradient: Knobs, velocity: Knobs, learning_rate: Number, beta: Number) -> tuple[Knobs, Knobs]:
        velocity = tuple(v * beta + g for v, g in zip(velocity, gradient, strict=True))
        drive = tuple((v * beta + g) * -learning_rate for v, g in zip(velocity, gradient, strict=True))
        return drive, velocity

    numbers = {
        "learning_rate": Hyperparameter.learning_rate(learning_rate),
        "beta": Hyperparameter.fraction(beta),
    }
    return update_rule("nesterov", lambda zeros: zeros, step, numbers, tuned_by=tuned_by)


def normalized(learning_rate: Number, power: Number = 1.0, *, tuned_by: Update | None = None) -> Update:
    """Every layer's gradient over a power of its norm, which is no function of one cell."""

    def step(
        gradient: Knobs, state: tuple[()], learning_rate: Number, power: Number
    ) -> tuple[Knobs, tuple[()]]:
        norms = (g.square().sum((-3, -2, -1), keepdim=True).sqrt() for g in gradient)
        return tuple(g * -learning_rate / n**power for g, n in zip(gradient, norms, strict=True)), state

    numbers = {
        "learning_rate": Hyperparameter.learning_rate(learning_rate),
        "power": Hyperparameter.positive(power),
    }
    return update_rule("normalized", lambda zeros: (), step, numbers, tuned_by=tuned_by)


def test_the_plain_update_is_that_of_torch() -> None:
    sequence = gradients(12, "own rule")
    weights = [torch.zeros_like(g, requires_grad=True) for g in sequence[0]]
    theirs, places = torch.optim.SGD(weights, 0.1, momentum=0.8, nesterov=True), []
    for gradient in sequence:
        for weight, g in zip(weights, gradient, strict=True):
            weight.grad = g.clone()
        theirs.step()
        places.append(torch.cat([w.detach().flatten() for w in weights]))
    assert_equal_to_rounding(drives(nesterov(0.1, 0.8), sequence).cumsum(0), torch.stack(places))


@pytest.mark.parametrize("rule", [nesterov, normalized])
def test_the_tuned_update_does_what_backpropagation_would(rule: object) -> None:
    sequence = gradients(10, "own rule tuned")
    update = rule(0.1, tuned_by=Tuner(rmsprop(0.02, tuned_by=nesterov(0.005)), horizon=0.0))  # type: ignore[operator]
    plain = rule(0.1)  # type: ignore[operator]
    made = drives(update, sequence)
    torch.testing.assert_close(made, oracle_drives(update, sequence), rtol=1e-7, atol=1e-10)
    assert float((made - drives(plain, sequence)).abs().max()) > 1e-4


def test_it_may_tune_others_and_be_tuned_in_inference_mode() -> None:
    """No graph is ever asked for."""
    sequence = gradients(6, "own rule above")
    update = sgd(0.1, tuned_by=nesterov(0.05, tuned_by=adagrad(0.1)))
    with torch.inference_mode():
        inside = drives(update, [tuple(g.clone() for g in gradient) for gradient in sequence])
    assert_equal_to_rounding(inside.clone(), drives(update, sequence))


def test_it_finds_the_rate_of_a_quadratic() -> None:
    """L = h |w|^2 / 2, for every chip from a rate of its own: all the way down."""
    h, rates = 4.0, torch.tensor([1e-5, 1e-2, 0.2], dtype=F64)
    update, w = nesterov(rates, 0.5, tuned_by=rmsprop(0.05, 0.9)), torch.ones(3, 1, 1, 5, dtype=F64)
    state = update.init((torch.zeros_like(w),))
    for _ in range(400):
        (drive,), state = update.step((h * w,), state)
        w = w + drive
    assert bool((w.abs() < 1e-6).all()), w


@pytest.mark.parametrize("tuner", [0.1, sgd])
def test_what_tunes_is_an_update(tuner: Any) -> None:
    with pytest.raises(TypeError, match=r"rmsprop: tuned_by is .*, wanted an Update such as adam\(1e-2\)"):
        rmsprop(0.1, tuned_by=tuner)
    with pytest.raises(TypeError, match="Tuner: update is .*, wanted an Update"):
        Tuner(tuner)


def test_a_hyperparameter_is_no_bare_number() -> None:
    numbers: Any = {"beta": 0.9}
    with pytest.raises(TypeError, match="mine: beta is 0.9, wanted a Hyperparameter such as"):
        update_rule("mine", lambda zeros: zeros, lambda gradient, state, beta: (gradient, state), numbers)
