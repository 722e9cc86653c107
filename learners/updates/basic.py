"""Five update rules of the literature, each formula written once for plain and for tuned hyper-parameters.

Any number may be a tensor (*fleet,) with one for each chip of a fleet, and any update may tune the numbers of
another: `adam(1e-2, tuned_by=adagrad(0.3))`, see `hypergradient`.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Knobs

from . import closed_forms
from .hyperparameter import Hyperparameter, Number
from .record import Tuner, Update
from .rule import update_rule


def sgd(learning_rate: Number, *, tuned_by: Update | Tuner | None = None) -> Update:
    """Stochastic gradient descent: drive = -learning_rate * gradient."""
    numbers = {"learning_rate": Hyperparameter.learning_rate(learning_rate)}
    return update_rule("sgd", lambda zeros: (), _sgd, numbers, tuned_by=tuned_by)


def _sgd(gradient: Knobs, state: tuple[()], learning_rate: Number) -> tuple[Knobs, tuple[()]]:
    return tuple(g * -learning_rate for g in gradient), state


def momentum(learning_rate: Number, beta: Number = 0.9, *, tuned_by: Update | Tuner | None = None) -> Update:
    """Heavy ball (Polyak 1964, https://doi.org/10.1016/0041-5553(64)90137-5), in the form of torch's SGD:
    velocity <- beta * velocity + gradient; drive = -learning_rate * velocity.
    """
    numbers = {
        "learning_rate": Hyperparameter.learning_rate(learning_rate),
        "beta": Hyperparameter.fraction(beta),
    }
    return update_rule(
        "momentum",
        _zeros,
        _momentum,
        numbers,
        derivatives=closed_forms.momentum,
        tuned_by=tuned_by,
    )


def _momentum(gradient: Knobs, velocity: Knobs, learning_rate: Number, beta: Number) -> tuple[Knobs, Knobs]:
    velocity = tuple(_add_scaled(g, v, beta) for g, v in zip(gradient, velocity, strict=True))
    return tuple(v * -learning_rate for v in velocity), velocity


def adagrad(
    learning_rate: Number, epsilon: float = 1e-10, *, tuned_by: Update | Tuner | None = None
) -> Update:
    """AdaGrad (Duchi, Hazan and Singer 2011, https://jmlr.org/papers/v12/duchi11a.html):
    drive = -learning_rate * gradient / (root of the sum of its squares + epsilon).
    """
    numbers = {"learning_rate": Hyperparameter.learning_rate(learning_rate)}
    return update_rule(
        "adagrad", _zeros, _adagrad, numbers, constants={"epsilon": epsilon}, tuned_by=tuned_by
    )


def _adagrad(gradient: Knobs, total: Knobs, learning_rate: Number, epsilon: float) -> tuple[Knobs, Knobs]:
    total = tuple(s.addcmul(g, g) for s, g in zip(total, gradient, strict=True))
    return _over_root(gradient, total, learning_rate, epsilon), total


def rmsprop(
    learning_rate: Number,
    beta2: Number = 0.99,
    epsilon: float = 1e-8,
    *,
    tuned_by: Update | Tuner | None = None,
) -> Update:
    """RMSProp (Tieleman and Hinton 2012, https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf):
    drive = -learning_rate * gradient / (root of its running mean square + epsilon).
    """
    numbers = {
        "learning_rate": Hyperparameter.learning_rate(learning_rate),
        "beta2": Hyperparameter.fraction(beta2),
    }
    return update_rule(
        "rmsprop",
        _zeros,
        _rmsprop,
        numbers,
        constants={"epsilon": epsilon},
        derivatives=closed_forms.rmsprop,
        tuned_by=tuned_by,
    )


def _rmsprop(
    gradient: Knobs, square: Knobs, learning_rate: Number, beta2: Number, epsilon: float
) -> tuple[Knobs, Knobs]:
    square = tuple(_mean_square(s, g, beta2) for s, g in zip(square, gradient, strict=True))
    return _over_root(gradient, square, learning_rate, epsilon), square


class AdamState(NamedTuple):
    """The state of Adam: its running means."""

    steps: int
    mean: Knobs
    square: Knobs


def adam(
    learning_rate: Number,
    beta1: Number = 0.9,
    beta2: Number = 0.999,
    epsilon: float = 1e-8,
    *,
    tuned_by: Update | Tuner | None = None,
) -> Update:
    """Adam (Kingma and Ba 2015, algorithm 1, https://arxiv.org/abs/1412.6980).

    Where it is tuned, both moments are corrected for having begun at 0 by the decays of the present step;
    the second moment of Chandra et al. begins at epsilon.
    """
    numbers = {
        "learning_rate": Hyperparameter.learning_rate(learning_rate),
        "beta1": Hyperparameter.fraction(beta1),
        "beta2": Hyperparameter.fraction(beta2),
    }
    return update_rule(
        "adam",
        lambda zeros: AdamState(0, zeros, zeros),
        _adam,
        numbers,
        constants={"epsilon": epsilon},
        derivatives=closed_forms.adam,
        tuned_by=tuned_by,
    )


def _adam(
    gradient: Knobs, state: AdamState, learning_rate: Number, beta1: Number, beta2: Number, epsilon: float
) -> tuple[Knobs, AdamState]:
    count = state.steps + 1
    mean = tuple(m.lerp(g, 1 - beta1) for m, g in zip(state.mean, gradient, strict=True))
    square = tuple(_mean_square(s, g, beta2) for s, g in zip(state.square, gradient, strict=True))
    correction = _root(1 - beta2**count)
    # the correction of the second moment goes into the scalars, one pass over the knobs less
    step_size = learning_rate * correction / (1 - beta1**count)
    return _over_root(mean, square, step_size, epsilon * correction), AdamState(count, mean, square)


def _zeros(zeros: Knobs) -> Knobs:
    """A state that begins at zeros."""
    return zeros


def _over_root(numerator: Knobs, square: Knobs, scale: Number, epsilon: Number) -> Knobs:
    """-scale * numerator / (root of square + epsilon)."""
    return tuple((n / s.sqrt().add_(epsilon)).mul_(-scale) for n, s in zip(numerator, square, strict=True))


def _mean_square(before: Tensor, gradient: Tensor, beta2: Number) -> Tensor:
    """beta2 * before + (1 - beta2) * gradient^2."""
    if isinstance(beta2, Tensor):
        return before.lerp(gradient * gradient, 1 - beta2)
    return (before * beta2).addcmul_(gradient, gradient, value=1 - beta2)


def _add_scaled(tensor: Tensor, other: Tensor, scale: Number) -> Tensor:
    """tensor + scale * other."""
    return (
        torch.addcmul(tensor, other, scale) if isinstance(scale, Tensor) else tensor.add(other, alpha=scale)
    )


def _root(number: Number) -> Number:
    return number.sqrt() if isinstance(number, Tensor) else math.sqrt(number)
