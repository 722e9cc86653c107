"""Wrappers of updates: the drives of another update, scheduled, accumulated, or layer by layer."""

import math
from collections.abc import Callable
from typing import Any

import torch

from analog.spec import Knobs

from .record import Update, require_update


def with_schedule(update: Update, share: Callable[[int], float]) -> Update:
    """The same update, each drive times a share that depends on the number of steps taken before.

    Raises:
        TypeError: `update` is no update.
    """
    require_update(update, "with_schedule: update")
    return _scheduled(update, share, f"with_schedule({update}, {getattr(share, '__name__', repr(share))})")


def linear_decay(update: Update, steps: int, floor: float = 0.0) -> Update:
    """The same update, its drive shrunk linearly from 1 to `floor` over `steps` steps, then held there.

    Raises:
        TypeError: `update` is no update.
        ValueError: no steps, or a floor outside 0 to 1.
    """
    require_update(update, "linear_decay: update")
    if steps < 1 or not 0 <= floor <= 1:
        raise ValueError(f"linear_decay: wants steps >= 1 and 0 <= floor <= 1, got {steps} and {floor}")
    name = f"linear_decay({update}, steps={steps}, floor={floor})"
    return _scheduled(update, lambda count: max(floor, 1 - (1 - floor) * count / steps), name)


def _scheduled(update: Update, share: Callable[[int], float], name: str) -> Update:
    def step(gradient: Knobs, state: tuple[int, Any]) -> tuple[Knobs, tuple[int, Any]]:
        count, inner = state
        drive, inner = update.step(gradient, inner)
        now = share(count)
        return tuple(d * now for d in drive), (count + 1, inner)

    return Update(lambda zeros: (0, update.init(zeros)), step, name)


def accumulate(update: Update, threshold: float) -> Update:
    """The same update, owing each cell its drives until they come to `threshold`, then sending whole
    multiples of it (mixed-precision training: Nandakumar et al. 2020, https://doi.org/10.3389/fnins.2020.00406).

    Cells that every write blurs by the same amount, or that only move by steps, are written seldom and by
    enough. What is owed is kept digitally, so nothing is lost on the way, only late.

    Args:
        threshold: in units of the drive.

    Raises:
        TypeError: `update` is no update.
        ValueError: the threshold is not a finite number above 0.
    """
    require_update(update, "accumulate: update")
    if not 0 < threshold < math.inf:
        raise ValueError(f"accumulate: threshold is {threshold}, wanted a finite number above 0")

    def step(gradient: Knobs, state: tuple[Knobs, Any]) -> tuple[Knobs, tuple[Knobs, Any]]:
        owed, inner = state
        drive, inner = update.step(gradient, inner)
        due = tuple(o + d for o, d in zip(owed, drive, strict=True))
        sent = tuple((d / threshold).trunc().mul_(threshold) for d in due)
        return sent, (tuple(d - s for d, s in zip(due, sent, strict=True)), inner)

    name = f"accumulate({update}, threshold={threshold})"
    return Update(lambda zeros: (tuple(z.clone() for z in zeros), update.init(zeros)), step, name)


def accumulate_gradients(update: Update, steps: int) -> Update:
    """The same update of the mean gradient of so many steps; in between nothing is sent.

    Raises:
        TypeError: `update` is no update.
        ValueError: `steps` is no integer of at least 1.
    """
    require_update(update, "accumulate_gradients: update")
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"accumulate_gradients: steps is {steps!r}, wanted an integer of at least 1")

    def step(gradient: Knobs, state: tuple[int, Knobs, Any]) -> tuple[Knobs, tuple[int, Knobs, Any]]:
        count, total, inner = state
        total = tuple(t + g for t, g in zip(total, gradient, strict=True))
        none = tuple(torch.zeros_like(t) for t in total)
        if (count + 1) % steps:
            return none, (count + 1, total, inner)
        drive, inner = update.step(tuple(t / steps for t in total), inner)
        return drive, (count + 1, none, inner)

    name = f"accumulate_gradients({update}, steps={steps})"
    return Update(lambda zeros: (0, tuple(z.clone() for z in zeros), update.init(zeros)), step, name)


def layerwise(update: Update) -> Update:
    """The same update for each layer by itself; tuned, every layer has hyper-parameters of its own.

    Raises:
        TypeError: `update` is no update.
    """
    require_update(update, "layerwise: update")

    def step(gradient: Knobs, states: tuple[Any, ...]) -> tuple[Knobs, tuple[Any, ...]]:
        steps = [update.step((g,), state) for g, state in zip(gradient, states, strict=True)]
        return tuple(drive for (drive,), _ in steps), tuple(state for _, state in steps)

    return Update(lambda zeros: tuple(update.init((z,)) for z in zeros), step, f"layerwise({update})")
