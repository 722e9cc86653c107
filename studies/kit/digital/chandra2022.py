"""The update rules of "Gradient Descent: The Ultimate Optimizer" as its authors have them.

Chandra, Xie, Ragan-Kelley and Meijer (NeurIPS 2022, https://arxiv.org/abs/1909.13371); formulas from their
code (https://github.com/kach/gradient-descent-the-ultimate-optimizer). Against ours in `learners.updates`:

- A rate is moved itself, not its logarithm, and may become negative; RMSProp moves its root. Decays are
  (tanh x + 1)/2, and x is moved.
- Squares begin above 0, AdaGrad's at 0.1 and Adam's at epsilon, and epsilon stands under RMSProp's root.
- A hyper-parameter answers for the last step alone: horizon 0, no warm-up.

The derivatives are our forward ones (`learners.updates.hypergradient`), the same numbers that their graph
gives backward. SGD tunes SGD at every height here.

Guess: the rates above the lowest level, `ABOVE`. Those of the second are the source's as we remember its
table, which was not at hand; those further up are chosen on held-out training data.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from analog import Knobs
from learners import Hyperparameter, Tuner, Update, update_rule
from learners.updates.hyperparameter import Domain, Number
from learners.updates.record import TakenStep

ABOVE: Final[dict[str, float]] = {  # rate of the SGD that tunes each
    "sgd": 1e-2,
    "momentum": 1e-2,
    "adagrad": 1e-2,
    "rmsprop": 1e-4,
    "adam": 1e-5,
}
HIGHER: Final[dict[str, float]] = {  # of the SGD on the third level and on those above it
    "sgd": 1e-3,
    "momentum": 1e-3,
    "adagrad": 1e-3,
    "rmsprop": 1e-9,
    "adam": 1e-9,
}

_FREE: Final = Domain(
    low=-math.inf,
    high=math.inf,
    includes_low=False,
    value=lambda number: number,
    unconstrained=lambda value: value,
    derivative=torch.ones_like,
    bound=1e15,
)
_SQUARED: Final = Domain(
    low=0.0,
    high=math.inf,
    includes_low=False,
    value=torch.square,
    unconstrained=torch.sqrt,
    derivative=lambda value: 2 * value.sqrt(),  # of a root that is positive, as it begins
    bound=1e7,
)
_HALF_LOGIT: Final = Domain(
    low=0.0,
    high=1.0,
    includes_low=True,
    value=lambda number: (number.tanh() + 1) / 2,
    unconstrained=lambda value: torch.logit(value) / 2,
    derivative=lambda value: 2 * value * (1 - value),
    bound=8.0,  # 1e-7 from 0 and from 1
)


class Moments(NamedTuple):
    """The state of Adam."""

    steps: int
    mean: Knobs
    square: Knobs


def sgd(learning_rate: Number, *, tuned_by: Update | Tuner | None = None) -> Update:
    """SGD, of which every rate is moved itself: drive = -learning_rate * gradient."""

    def step(gradient: Knobs, state: Any, learning_rate: Number) -> tuple[Knobs, Any]:
        return tuple(g * -learning_rate for g in gradient), state

    def derivatives(taken: TakenStep, learning_rate: Tensor) -> Mapping[str, Knobs]:
        del learning_rate  # the drive is linear in it
        return {"learning_rate": tuple(-g for g in taken.gradient)}

    numbers = {"learning_rate": Hyperparameter(learning_rate, _FREE)}
    return update_rule("sgd", lambda zeros: (), step, numbers, derivatives=derivatives, tuned_by=tuned_by)


def momentum(learning_rate: Number, beta: Number = 0.9, *, tuned_by: Update | Tuner | None = None) -> Update:
    """SGD with momentum, both numbers moved themselves."""

    def step(gradient: Knobs, velocity: Knobs, learning_rate: Number, beta: Number) -> tuple[Knobs, Knobs]:
        velocity = tuple(v * beta + g for v, g in zip(velocity, gradient, strict=True))
        return tuple(v * -learning_rate for v in velocity), velocity

    numbers = {
        "learning_rate": Hyperparameter(learning_rate, _FREE),
        "beta": Hyperparameter(beta, _FREE),
    }
    return update_rule("momentum", lambda zeros: zeros, step, numbers, tuned_by=tuned_by)


def adagrad(learning_rate: Number, *, tuned_by: Update | Tuner | None = None) -> Update:
    """AdaGrad, whose sum of squares begins at 0.1."""

    def step(gradient: Knobs, total: Knobs, learning_rate: Number) -> tuple[Knobs, Knobs]:
        total = tuple(s.addcmul(g, g) for s, g in zip(total, gradient, strict=True))
        pairs = zip(gradient, total, strict=True)
        return tuple(g / (s + 1e-10).sqrt() * -learning_rate for g, s in pairs), total

    numbers = {"learning_rate": Hyperparameter(learning_rate, _FREE)}
    return update_rule("adagrad", lambda zeros: _filled(zeros, 0.1), step, numbers, tuned_by=tuned_by)


def rmsprop(learning_rate: Number, beta2: Number = 0.99, *, tuned_by: Update | Tuner | None = None) -> Update:
    """RMSProp, whose rate is moved by its root."""

    def step(gradient: Knobs, square: Knobs, learning_rate: Number, beta2: Number) -> tuple[Knobs, Knobs]:
        pairs = zip(square, gradient, strict=True)
        square = tuple(s * beta2 + g * g * (1 - beta2) for s, g in pairs)
        return tuple(
            g / (s + 1e-8).sqrt() * -learning_rate for g, s in zip(gradient, square, strict=True)
        ), square

    numbers = {
        "learning_rate": Hyperparameter(learning_rate, _SQUARED),
        "beta2": Hyperparameter(beta2, _HALF_LOGIT),
    }
    return update_rule("rmsprop", lambda zeros: zeros, step, numbers, tuned_by=tuned_by)


def adam(
    learning_rate: Number,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    *,
    tuned_by: Update | Tuner | None = None,
) -> Update:
    """Adam, whose mean square begins at epsilon, for a root has no derivative at 0."""

    def step(
        gradient: Knobs, state: Moments, learning_rate: Number, beta1: Number, beta2: Number
    ) -> tuple[Knobs, Moments]:
        count = state.steps + 1
        mean = tuple(m * beta1 + g * (1 - beta1) for m, g in zip(state.mean, gradient, strict=True))
        square = tuple(s * beta2 + g * g * (1 - beta2) for s, g in zip(state.square, gradient, strict=True))
        rate, scale = learning_rate / (1 - beta1**count), 1 - beta2**count
        pairs = zip(mean, square, strict=True)
        return tuple(m / ((s / scale).sqrt() + 1e-8) * -rate for m, s in pairs), Moments(count, mean, square)

    numbers = {
        "learning_rate": Hyperparameter(learning_rate, _FREE),
        "beta1": Hyperparameter(beta1, _HALF_LOGIT),
        "beta2": Hyperparameter(beta2, _HALF_LOGIT),
    }
    return update_rule(
        "adam",
        lambda zeros: Moments(0, zeros, _filled(zeros, 1e-8)),
        step,
        numbers,
        tuned_by=tuned_by,
    )


RULES: Final[dict[str, Callable[..., Update]]] = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
}


def published_tower(name: str, learning_rate: Number, height: int, top: Number = 1.0) -> Update:
    """The source's tower of a height: an update under as many of SGD.

    Args:
        name: of the lowest update, one of `RULES`.
        learning_rate: where its rate begins.
        height: 1 is the update alone.
        top: what the rate of the highest level is multiplied by, one number or one for each network.
    """
    above: Update | None = None
    for level in range(height, 1, -1):
        rate = ABOVE[name] if level == 2 else HIGHER[name]
        above = sgd(rate * top if level == height else rate, tuned_by=above)
    return RULES[name](learning_rate, tuned_by=None if above is None else Tuner(above, horizon=0.0))


def _filled(zeros: Knobs, value: float) -> Knobs:
    return tuple(torch.full_like(z, value) for z in zeros)
