"""Every update of ours keeps its contract, and each way to break it is named."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from analog import ContractError
from learners import (
    Hyperparameter,
    Tuner,
    Update,
    accumulate,
    adagrad,
    adam,
    check_update,
    layerwise,
    linear_decay,
    momentum,
    rmsprop,
    sgd,
    update_rule,
    with_schedule,
)
from tests.sampled import sampled

OURS = [
    sgd(0.1),
    momentum(0.1),
    adagrad(0.1),
    rmsprop(0.1),
    adam(0.1),
    adam(torch.tensor([0.1, 0.2, 0.3])),
    adam(1e-2, tuned_by=adagrad(0.3)),
    adam(1e-2, tuned_by=Tuner(adagrad(0.3, tuned_by=sgd(0.1)), warmup=3)),
    sgd(0.1, tuned_by=momentum(0.1, tuned_by=rmsprop(0.1, tuned_by=sgd(0.1)))),
    momentum(0.1, tuned_by=adam(0.1)),
    rmsprop(0.1, tuned_by=adam(0.1)),
    linear_decay(adam(0.1), 10),
    with_schedule(sgd(0.1), lambda count: 1 / (1 + count)),
    accumulate(adam(0.1), 0.05),
    layerwise(adam(0.1, tuned_by=sgd(0.1))),
]


@pytest.mark.parametrize("update", sampled(OURS, 6), ids=lambda update: str(update)[:50])
def test_our_updates_keep_their_contract(update: Update) -> None:
    check_update(update)


def downhill(tuple_of: Any) -> Any:
    return tuple(-each for each in tuple_of)


def clipped(gradient: Any, most: float) -> Any:
    norm = torch.stack([g.norm() for g in gradient]).norm()
    return tuple(-g * (most / norm.clamp(min=most)) for g in gradient)


def halved(tuple_of: Any) -> Any:
    return tuple(0.5 * each for each in tuple_of)


def in_place(gradient: Any, state: Any) -> Any:
    return tuple(g.mul_(-0.1) for g in gradient), state


def state_in_place(gradient: Any, state: Any) -> Any:
    moved = tuple(s.add_(g) for s, g in zip(state, gradient, strict=True))
    return tuple(-0.1 * m for m in moved), moved


def counting() -> Callable[[Any, Any], Any]:
    steps = iter(range(1000))
    return lambda gradient, state: (tuple(-0.1 / (1 + next(steps)) * g for g in gradient), state)


def velocity_by_list() -> Callable[[Any, Any], Any]:
    """Momentum that lies in a closure and begins anew with every state that is new."""
    kept: list[Any] = []

    def step(gradient: Any, state: int) -> Any:
        if state == 0:
            kept.clear()
        kept.append(gradient)
        return tuple(-0.1 * sum(each) for each in zip(*kept, strict=True)), state + 1

    return step


def zeros(knobs: Any) -> Any:
    return knobs


def nothing(knobs: Any) -> Any:
    return ()


BROKEN: dict[str, tuple[Update, str]] = {
    "gradient altered": (Update(nothing, in_place), "step altered what it was given"),
    "state altered": (Update(zeros, state_in_place), "step altered what it was given"),
    "zeros altered": (Update(lambda k: tuple(z.add_(1) for z in k), in_place), "init altered"),
    "memory in a closure": (Update(nothing, counting()), "step gave two answers"),
    "memory in a closure, begun anew": (Update(lambda k: 0, velocity_by_list()), "step gave two answers"),
    "no pair": (Update(nothing, lambda g, s: halved(g)[:1]), "wanted a drive and the next state"),
    "a drive of one layer": (Update(nothing, lambda g, s: (halved(g)[:1], s)), "wanted a tuple of 2"),
    "another shape": (Update(nothing, lambda g, s: (tuple(x.sum(-1) for x in g), s)), "the drive is"),
    "another dtype": (
        Update(nothing, lambda g, s: (tuple(x.double() for x in g), s)),
        "the drive is torch.float64 .*wanted torch.float32",
    ),
    "divides by nothing": (
        Update(nothing, lambda g, s: (tuple(x / x.norm() for x in g), s)),
        "hangs on the gradients of other chips|not finite where gradients are 0 times",
    ),
    "sign by division": (
        Update(nothing, lambda g, s: (tuple(x / x.abs() for x in g), s)),
        "not finite where gradients are 0 times",
    ),
    "chips mixed": (
        Update(nothing, lambda g, s: (tuple(x - 0.1 * x.mean(0, keepdim=True) for x in g), s)),
        "hangs on the gradients of other chips",
    ),
    "a growing state": (Update(nothing, lambda g, s: (halved(g), (*s, g[0]))), "changes in structure"),
    "a dict": (Update(lambda k: {"v": k}, lambda g, s: (halved(g), s)), "state is a dict"),
    "draws": (
        Update(nothing, lambda g, s: (tuple(x * torch.rand(()) for x in g), s)),
        "global torch generator",
    ),
    "wrong closed form": (
        update_rule(
            "wrong",
            zeros,
            lambda g, v, learning_rate, beta: (
                tuple(-learning_rate * (x + beta * y) for x, y in zip(g, v, strict=True)),
                g,
            ),
            {"learning_rate": Hyperparameter.learning_rate(0.1), "beta": Hyperparameter.fraction(0.5)},
            derivatives=lambda taken, learning_rate, beta: {
                "beta": tuple(-2 * learning_rate * v for v in taken.before)
            },
        ),
        "sensitivity of the drive to beta is 2 times",
    ),
    "not proportional": (
        update_rule(
            "square",
            nothing,
            lambda g, s, rate: (tuple(-rate * rate * x for x in g), s),
            {"rate": Hyperparameter.learning_rate(0.1)},
        ),
        "sensitivity of the drive to rate is 0.5 times .* proportional to it",
    ),
    "clipped at a norm of the whole fleet": (
        Update(nothing, lambda g, s: (clipped(g, 100.0), s)),
        "hangs on the gradients of other chips",
    ),
    "divided by the number of chips": (
        Update(nothing, lambda g, s: (tuple(-x / len(x) for x in g), s)),
        "a chip is sent the same in a fleet of another size",
    ),
    "wants a fleet": (
        Update(nothing, lambda g, s: (tuple(-x.permute(0, 1, 2, 3) for x in g), s)),
        "step raised RuntimeError",
    ),
    "no number from the 90th step on": (
        Update(lambda k: 0, lambda g, s: (tuple(-x * (1 if s < 90 else float("nan")) for x in g), s + 1)),
        "not finite at step 91",
    ),
    "a state that grows from the 30th step on": (
        Update(lambda k: (0.0,), lambda g, s: (halved(downhill(g)), (s[0] + 1, *[0.0] * (s[0] > 30)))),
        "the state changes in structure at step 32",
    ),
    "up the gradient in one layer": (
        Update(nothing, lambda g, s: ((-g[0], g[1]), s)),
        "layer 1: the drives of 200 steps sum up to a way up their gradient",
    ),
    "up the gradient of one chip": (
        Update(nothing, lambda g, s: (tuple(-x * (1 - 2 * (x.sum((-3, -2, -1), True) > 0)) for x in g), s)),
        "sum up to a way up their gradient",
    ),
    "no number at a large gradient": (
        Update(nothing, lambda g, s: (tuple(-x * x * x / (1 + x * x) for x in g), s)),
        "not finite where gradients are 1e.15 times",
    ),
    "asks whether gradients are recorded": (
        Update(nothing, lambda g, s: (tuple(-x * (1 + torch.is_grad_enabled()) for x in g), s)),
        "step gave two answers",
    ),
    "raises": (Update(nothing, lambda g, s: (g + 1, s)), "step raised TypeError"),
}


@pytest.mark.parametrize("name", sampled(BROKEN, 3))
def test_every_breach_is_named(name: str) -> None:
    update, says = BROKEN[name]
    with pytest.raises(ContractError, match=says):
        check_update(update)


def test_what_is_no_update_is_named() -> None:
    for kind in (adam, 0.1):
        with pytest.raises(ContractError, match=r"wanted an Update such as adam"):
            check_update(kind)  # type: ignore[arg-type]
