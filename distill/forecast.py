"""A forecast of what will be lost at the teacher's death, by extrapolating the pilot's learning curve.

A stand-in for the heirs learns from parts of the pilot and is asked for the rest: kernel regression with the
arc-cosine kernel of one wide hidden layer (Cho and Saul, "Kernel methods for deep learning", 2009,
https://papers.neurips.cc/paper_files/paper/2009/hash/5751ec3e9a4feab575962e78e006250d-Abstract.html).
The share that it answers otherwise than the teacher, against how many lessons it had, is carried on by a
power law fitted by weighted least squares. Guess, a prior: such shares fall as the root of the lessons, give
or take a quarter in the exponent. What heirs lose beside, by their own noise and by studying too short, is
not forecast.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from .read_budget import Pilot, centered_logits

EXPONENT, EXPONENT_STD = -0.5, 0.25  # of the power law: prior mean and sd
MIN_PILOT = 8  # stimuli


class Forecast(NamedTuple):
    """The share of answers that heirs of so many distinct lessons are expected to lose."""

    lessons: int
    lost: float  # share of the answers
    error: float  # standard error of that


class _PowerLaw(NamedTuple):
    """log(share lost) = coefficients . (1, log(lessons))."""

    coefficients: Tensor  # (2,)
    covariance: Tensor  # (2, 2)

    def at(self, lessons: int, classes: int) -> Forecast:
        """The law at so many lessons, never above guessing."""
        row = torch.tensor([1.0, math.log(max(1, lessons))], dtype=torch.float64)
        lost = min(1 - 1 / classes, math.exp(float(row @ self.coefficients)))
        return Forecast(lessons, lost, lost * math.sqrt(float(row @ self.covariance @ row)))


def forecast_loss(
    pilot: Pilot, lessons: Sequence[int], generator: Generator, repeats: int = 20
) -> list[Forecast]:
    """Forecast the share of a teacher's answers that heirs of so many lessons will lose.

    The teacher's noise counts as loss.

    Args:
        pilot: of at least 8 stimuli; with fewer, every forecast is nan.
        lessons: distinct ones, a forecast for each number.
        generator: of the parts of the pilot that the stand-in learns from.
        repeats: parts of each size.
    """
    total = len(pilot.x)
    if total < MIN_PILOT:
        return [Forecast(count, math.nan, math.nan) for count in lessons]
    sizes = sorted({max(2, round(total * 0.8 ** (2 * k))) for k in range(1, 6)})
    points = []
    for size in sizes:
        shares = torch.tensor(
            [_share_missed(pilot, size, generator) for _ in range(repeats)], dtype=torch.float64
        )
        share = float(shares.mean().clamp(min=0.5 / total))
        points.append((math.log(size), math.log(share), math.sqrt((1 - share) / (share * total))))
    law = _fit_power_law(points)
    return [law.at(count, pilot.out.shape[-1]) for count in lessons]


def _fit_power_law(points: Sequence[tuple[float, float, float]]) -> _PowerLaw:
    """Weighted least squares with a normal prior on the exponent, through (log n, log share, its error)."""
    log_n, log_share, error = (torch.tensor(c, dtype=torch.float64) for c in zip(*points, strict=True))
    weight = 1 / (error.square() * len(points))  # points share stimuli
    design = torch.stack((torch.ones_like(log_n), log_n), -1)
    prior = torch.diag(torch.tensor([0.0, EXPONENT_STD**-2], dtype=torch.float64))
    covariance = torch.linalg.inv((design.T * weight) @ design + prior)
    prior_mean = torch.tensor([0.0, EXPONENT * EXPONENT_STD**-2], dtype=torch.float64)
    return _PowerLaw(covariance @ ((design.T * weight) @ log_share + prior_mean), covariance)


def _share_missed(pilot: Pilot, size: int, generator: Generator) -> float:
    """Share of the rest of the pilot that a stand-in taught on a part of it answers otherwise."""
    order = torch.randperm(len(pilot.x), generator=generator)
    known, rest = order[:size], order[size:]
    out = centered_logits(pilot.out)
    ridge = pilot.noise_power / 2 / pilot.logit_power + 1e-3
    predicted = stand_in(pilot.x[known], out[known], pilot.x[rest], ridge)
    return float((predicted.argmax(-1) != out[rest].argmax(-1)).double().mean())


def stand_in(x: Tensor, out: Tensor, queries: Tensor, ridge: float) -> Tensor:
    """Kernel regression as wide ReLU networks of one hidden layer do it.

    Args:
        x: (examples, features), with their outputs `out` (examples, classes).
        queries: (queries, features).
        ridge: relative to the kernel's mean diagonal.

    Returns:
        Outputs (queries, classes), float64.
    """
    kernel = _arc_cosine(x, x)
    kernel = kernel + ridge * kernel.diagonal().mean() * torch.eye(len(x), dtype=kernel.dtype)
    middle = out.double().mean(0)
    return middle + _arc_cosine(queries, x) @ torch.linalg.solve(kernel, out.double() - middle)


def _arc_cosine(a: Tensor, b: Tensor) -> Tensor:
    """The arc-cosine kernel of degree 1, inputs with an always-on one (Cho and Saul 2009, eq. 6)."""
    a, b = (torch.cat((v, torch.ones_like(v[:, :1])), -1).double() for v in (a, b))
    size = a.norm(dim=-1, keepdim=True) * b.norm(dim=-1)
    cosine = ((a @ b.T) / size).clamp(-1, 1)
    angle = cosine.acos()
    return size * (angle.sin() + (math.pi - angle) * cosine) / math.pi
