"""Trains of equal pulses whose mean and spread are a table of the state: all of a train in one lookup.

The first pulse is exact. Those after it follow the flow whose map over one pulse is that of the table to
second order, A(end) = A(start) + h (n - ln(d(end) / d(start)) / 2) with A = integral of dw / d: the discrete
steps of an explicit Euler method, seen backwards (Hairer, Lubich and Wanner, "Geometric Numerical
Integration", 2006, chapter IX, https://doi.org/10.1007/3-540-30666-8). An error made on the way is carried on
by the flow's slope d(end) / d(there), so that the variance of a train is h d(end)^2 times an integral of
sd^2 / d^3.
"""

from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

GRID = 2048  # points at which a table is looked up; linear in between
SMALLEST_SHARE = 1e-4  # of the largest step: what is below it moves that far, but for the first pulse

Row = tuple[float, float, float]  # state, mean change, sd of the change


class StepFlow(NamedTuple):
    """Steps in one direction over the states from `low` to `high`, float64, (GRID,) each."""

    low: float
    high: float
    step: Tensor  # mean change of one pulse
    sd: Tensor  # of one pulse's change
    pace: Tensor  # the step, but never nothing
    time: Tensor  # pulses since `low` of a mean cell
    spread: Tensor  # integral of sd^2 / pace^3 since `low`


def step_flow(rows: tuple[Row, ...], low: float, high: float) -> StepFlow:
    """The flow of steps upwards, from the rows of a table and the bounds of the state.

    Between rows steps and sds are interpolated monotonously (PCHIP), beyond them they are held.
    """
    states, changes, sds = np.array(rows).T
    grid = np.linspace(low, high, GRID)
    inside = grid.clip(states[0], states[-1])
    step, sd = (PchipInterpolator(states, column)(inside).clip(min=0) for column in (changes, sds))
    pace = step.clip(min=SMALLEST_SHARE * step.max())
    width = (high - low) / (GRID - 1)
    time, spread = (_integral(values, width) for values in (1 / pace, sd**2 / pace**3))
    columns = (torch.from_numpy(np.ascontiguousarray(c)) for c in (step, sd, pace, time, spread))
    return StepFlow(low, high, *columns)


def _integral(values: Any, width: float) -> Any:  # (points,) -> (points,)
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2 * width)])


def follow(flow: StepFlow, start: Tensor, count: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Where trains end on average, and the sd of that.

    Args:
        flow: of the table.
        start: states before the train, float64; all tensors have shapes that broadcast with each other.
        count: pulses of each train, whole or not.
        scale: each cell's steps, in steps of the table.

    Returns:
        The states after the train and their sd, of the shape of `start`.
    """
    once, rest = count.clamp(max=1), (count - 1).clamp(min=0)
    first = (start + once * scale * _at(flow, flow.step, start)).clamp(flow.low, flow.high)
    began, pace = _at(flow, flow.time, first), _at(flow, flow.pace, first)
    end = _when(flow, began + scale * rest)
    for _ in range(2):
        lag = (_at(flow, flow.pace, end) / pace).log() / 2
        end = _when(flow, began + scale * (rest - torch.where(rest > 0, lag, 0)))
    last = _at(flow, flow.pace, end)
    alone = once * (scale * _at(flow, flow.sd, start) * last / pace) ** 2
    later = scale * last**2 * (_at(flow, flow.spread, end) - _at(flow, flow.spread, first)).clamp(min=0)
    return end, (alone + later).sqrt()


def _at(flow: StepFlow, values: Tensor, state: Tensor) -> Tensor:
    """A column of the table at states of any shape, linear between its points."""
    place = ((state - flow.low) * ((GRID - 1) / (flow.high - flow.low))).clamp(0, GRID - 1)
    below = place.long().clamp(max=GRID - 2)
    column = values.to(state.device)
    return column[below].lerp(column[below + 1], place - below)


def _when(flow: StepFlow, time: Tensor) -> Tensor:
    """The state at which a mean cell is after so many pulses since `low`, of any shape."""
    column = flow.time.to(time.device)
    above = torch.searchsorted(column, time).clamp(1, GRID - 1)
    share = ((time - column[above - 1]) / (column[above] - column[above - 1])).clamp(0, 1)
    return flow.low + (flow.high - flow.low) * ((above - 1) + share) / (GRID - 1)
