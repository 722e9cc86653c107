"""Sequences of gradients, and the drives that updates make of them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from analog import stream
from analog.spec import Knobs
from learners import Update, adagrad, adam, momentum, rmsprop, sgd

F64 = torch.float64
SHAPES = ((2, 3, 2), (1, 2, 4))  # tiles, rows, cols of two layers
UPDATES: dict[str, Callable[..., Update]] = {  # with every hyper-parameter given but the learning rate
    "sgd": sgd,
    "momentum": lambda rate, tuned_by=None: momentum(rate, 0.8, tuned_by=tuned_by),
    "adagrad": adagrad,
    "rmsprop": lambda rate, tuned_by=None: rmsprop(rate, 0.9, tuned_by=tuned_by),
    "adam": lambda rate, tuned_by=None: adam(rate, 0.8, 0.95, tuned_by=tuned_by),
}


def gradients(steps: int, *path: str | int, fleet: tuple[int, ...] = ()) -> list[Knobs]:
    """With a common part, so that learning rates have something to follow."""
    generator = stream(0, "updates", *path)
    common = [torch.randn(*fleet, *s, generator=generator, dtype=F64) for s in SHAPES]
    rows = [[torch.randn(*fleet, *s, generator=generator, dtype=F64) for s in SHAPES] for _ in range(steps)]
    return [tuple((c + 0.5 * d) / 10 for c, d in zip(common, row, strict=True)) for row in rows]


def zeros_like(knobs: Knobs) -> Knobs:
    return tuple(torch.zeros_like(k) for k in knobs)


def drives(update: Update, sequence: list[Knobs]) -> Tensor:  # (steps, knobs)
    """The drives of an update, flat."""
    state, rows = update.init(zeros_like(sequence[0])), []
    for gradient in sequence:
        drive, state = update.step(gradient, state)
        rows.append(torch.cat([d.flatten() for d in drive]))
    return torch.stack(rows)


def assert_equal_to_rounding(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


def assert_fleet_is_its_chips(fleet: Update, chips: Sequence[Update], sequence: list[Knobs]) -> None:
    """The update of a fleet drives each chip as the update of that chip alone does."""
    state = fleet.init(zeros_like(sequence[0]))
    states = [update.init(zeros_like(tuple(g[0] for g in sequence[0]))) for update in chips]
    for gradient in sequence:
        drive, state = fleet.step(gradient, state)
        for chip, update in enumerate(chips):
            expected, states[chip] = update.step(tuple(g[chip] for g in gradient), states[chip])
            for alone, whole in zip(expected, drive, strict=True):
                assert_equal_to_rounding(whole[chip], alone)
