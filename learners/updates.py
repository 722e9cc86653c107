"""From an estimated gradient to the pulse that is sent: records of pure functions."""

import math
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

from torch import Tensor

from analog.spec import Knobs


class Update(NamedTuple):
    """How gradients become drives.

    init: knobs-shaped zeros -> state; step: (gradient, state) -> (drive to pulse, next state).
    """

    init: Callable[[Knobs], Any]
    step: Callable[[Knobs, Any], tuple[Knobs, Any]]


def sgd(rate: float) -> Update:
    """drive = -rate * gradient."""
    _rate("sgd", rate)
    return Update(lambda zeros: (), lambda gradient, state: (tuple(g * -rate for g in gradient), state))


def momentum(rate: float, decay: float = 0.9) -> Update:
    """Heavy ball (Polyak 1964): velocity <- decay * velocity + gradient; drive = -rate * velocity."""
    _rate("momentum", rate)
    _fraction("momentum", "decay", decay)

    def step(gradient: Knobs, velocity: Knobs) -> tuple[Knobs, Knobs]:
        moved = tuple(g.add(v, alpha=decay) for g, v in zip(gradient, velocity, strict=True))
        return tuple(v * -rate for v in moved), moved

    return Update(lambda zeros: zeros, step)


def adagrad(rate: float, epsilon: float = 1e-10) -> Update:
    """AdaGrad (Duchi, Hazan and Singer 2011): drive = -rate * gradient / root of the sum of its squares."""
    _rate("adagrad", rate)

    def step(gradient: Knobs, total: Knobs) -> tuple[Knobs, Knobs]:
        total = tuple(s.addcmul(g, g) for s, g in zip(total, gradient, strict=True))
        return _rooted(gradient, total, rate, epsilon), total

    return Update(lambda zeros: zeros, step)


def rmsprop(rate: float, decay: float = 0.99, epsilon: float = 1e-8) -> Update:
    """RMSProp (Tieleman and Hinton 2012): drive = -rate * gradient / root of its running mean square."""
    _rate("rmsprop", rate)
    _fraction("rmsprop", "decay", decay)

    def step(gradient: Knobs, square: Knobs) -> tuple[Knobs, Knobs]:
        square = tuple(
            (s * decay).addcmul_(g, g, value=1 - decay) for s, g in zip(square, gradient, strict=True)
        )
        return _rooted(gradient, square, rate, epsilon), square

    return Update(lambda zeros: zeros, step)


def _rooted(gradient: Knobs, square: Knobs, rate: float, epsilon: float) -> Knobs:
    return tuple((g / s.sqrt().add_(epsilon)).mul_(-rate) for g, s in zip(gradient, square, strict=True))


class AdamState(NamedTuple):
    steps: int
    mean: Knobs
    square: Knobs


def adam(rate: float, decay: float = 0.9, square_decay: float = 0.999, epsilon: float = 1e-8) -> Update:
    """Adam (Kingma and Ba 2015, algorithm 1)."""
    _rate("adam", rate)
    _fraction("adam", "decay", decay)
    _fraction("adam", "square_decay", square_decay)

    def step(gradient: Knobs, state: AdamState) -> tuple[Knobs, AdamState]:
        count = state.steps + 1
        mean = tuple(m.lerp(g, 1 - decay) for m, g in zip(state.mean, gradient, strict=True))
        square = tuple(
            (s * square_decay).addcmul_(g, g, value=1 - square_decay)
            for s, g in zip(state.square, gradient, strict=True)
        )
        whole = math.sqrt(1 - square_decay**count)
        scale = -rate * whole / (1 - decay**count)

        def drive(m: Tensor, s: Tensor) -> Tensor:
            return (m / s.sqrt().add_(epsilon * whole)).mul_(scale)

        drives = tuple(drive(m, s) for m, s in zip(mean, square, strict=True))
        return drives, AdamState(count, mean, square)

    return Update(lambda zeros: AdamState(0, zeros, tuple(z.clone() for z in zeros)), step)


def scheduled(update: Update, share: Callable[[int], float]) -> Update:
    """The same update, each drive times a share told from the number of steps made before."""

    def step(gradient: Knobs, state: tuple[int, Any]) -> tuple[Knobs, tuple[int, Any]]:
        count, inner = state
        drive, inner = update.step(gradient, inner)
        now = share(count)
        return tuple(d * now for d in drive), (count + 1, inner)

    return Update(lambda zeros: (0, update.init(zeros)), step)


def decayed(update: Update, steps: int, floor: float = 0.0) -> Update:
    """The same update, its drive shrunk linearly from 1 to `floor` over `steps` steps, then held there."""
    if steps < 1 or not 0 <= floor <= 1:
        raise ValueError(f"decayed: wants steps >= 1 and 0 <= floor <= 1, got {steps} and {floor}")
    return scheduled(update, lambda count: max(floor, 1 - (1 - floor) * count / steps))


def accumulated(update: Update, threshold: float) -> Update:
    """The same update, owing each cell its drives until they come to `threshold`, then sending whole
    multiples of it (Nandakumar et al., Frontiers in Neuroscience 14, 2020: mixed-precision training).

    Cells that every write blurs by the same amount, or that only move by steps, are written seldom and
    by enough. What is owed is kept digitally, so nothing is lost on the way, only late.
    """
    if not 0 < threshold < math.inf:
        raise ValueError(f"accumulated: threshold is {threshold}, wanted a finite number above 0")

    def step(gradient: Knobs, state: tuple[Knobs, Any]) -> tuple[Knobs, tuple[Knobs, Any]]:
        owed, inner = state
        drive, inner = update.step(gradient, inner)
        due = tuple(o + d for o, d in zip(owed, drive, strict=True))
        sent = tuple((d / threshold).trunc().mul_(threshold) for d in due)
        return sent, (tuple(d - s for d, s in zip(due, sent, strict=True)), inner)

    return Update(lambda zeros: (tuple(z.clone() for z in zeros), update.init(zeros)), step)


def _rate(name: str, rate: float) -> None:
    if not 0 < rate < float("inf"):
        raise ValueError(f"{name}: rate is {rate}, wanted a finite number above 0")


def _fraction(name: str, word: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name}: {word} is {value}, wanted 0 <= {word} < 1")
