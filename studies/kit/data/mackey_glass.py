"""The Mackey-Glass series as NeuroBench has it, and the error by which it judges forecasts.

Mackey and Glass, "Oscillation and chaos in physiological control systems" (1977),
https://doi.org/10.1126/science.267326: dx/dt = .2 x(t - tau) / (1 + x(t - tau)^10) - .1 x. NeuroBench
(Yik et al. 2023, https://arxiv.org/abs/2304.04640; the task in `neurobench/datasets/mackey_glass.py` and
`examples/mackey_glass` of https://github.com/NeuroBench/neurobench) takes tau = 17, whose Lyapunov time is
197, from a constant past, and 75 points a Lyapunov time: 750 points to learn from, 750 to forecast. Run i is
shifted by i / 2 Lyapunov times.

Where we differ: their points come from an adaptive solver, and in ten Lyapunov times no two solvers agree on
a chaotic series; ours are another stretch of the same attractor. Guess: that theirs begin one tau after the
constant past, where their solver has stepped over the first kink.
"""

from functools import cache
from math import exp
from typing import Final

import torch
from torch import Tensor

TAU: Final = 17
LYAPUNOV_TIME: Final = 197  # in the unit of tau
PAST: Final = 0.7206597
POINTS: Final = 75  # a Lyapunov time
TRAINING: Final = 10 * POINTS  # points to learn from, and as many to forecast
_DECAY: Final = 0.1


def run(number: int) -> Tensor:
    """The points of one run: those to learn from, one that is given, and those to forecast, float64.

    Args:
        number: from 0 on; each is shifted by half a Lyapunov time.

    Returns:
        (2 * TRAINING + 1,)
    """
    first = number * POINTS // 2
    return _series(first // 512 * 512 + 512 + 2 * TRAINING + 1)[first : first + 2 * TRAINING + 1].clone()


@cache
def _series(points: int) -> Tensor:
    """So many points from one tau after the constant past on; prefixes of each other."""
    delay = TAU * POINTS  # steps of 1 / POINTS of the unit of time, so that a point is LYAPUNOV_TIME steps
    return integrate(delay, delay + points * LYAPUNOV_TIME, 1 / POINTS)[delay::LYAPUNOV_TIME][:points]


def integrate(delay: int, steps: int, step: float) -> Tensor:
    """Solve the equation from a constant past, float64 (steps,).

    Between delays it is linear, driven by what is known already, so blocks as long as the delay are solved
    at once. The drive is integrated to the fourth order, but once where the past ends in a kink: halving the
    step leaves a quarter of the error, which at the study's step is 1e-7 after a few delays.

    Args:
        delay: steps of tau, at least 4.
        steps: how many, after the past.
        step: their length.
    """
    x = torch.full((delay + 2 + steps,), PAST, dtype=torch.float64)
    now, keep = delay + 1, exp(-_DECAY * step)
    weights = [-(keep**2), 13 * keep, 13.0, -1 / keep]
    while now + 1 < len(x):
        count = min(delay - 1, len(x) - 1 - now)
        past = x[now - delay - 1 : now - delay + 2 + count]
        drive = 0.2 * past / (1 + past**10)
        added = sum(w * drive[k : k + count] for k, w in enumerate(weights)) * (step / 24)
        powers = keep ** torch.arange(1, count + 1, dtype=torch.float64)
        x[now + 1 : now + 1 + count] = powers * (x[now] + (added / powers).cumsum(0))
        now += count
    return x[delay + 2 :]


def smape(forecast: Tensor, truth: Tensor) -> Tensor:
    """The symmetric mean absolute percentage error of forecasts, 0 to 200: 200 mean |f - x| / (|f| + |x|).

    Args:
        forecast: (..., points).
        truth: likewise.

    Returns:
        (...)
    """
    error = 200 * ((forecast - truth).abs() / (forecast.abs() + truth.abs())).mean(-1)
    return error.nan_to_num(200.0)
