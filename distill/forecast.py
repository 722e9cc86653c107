"""What will be lost at the teacher's death, foreseen from the few stimuli of the pilot.

A stand-in for the heirs (kernel regression with the arc-cosine kernel of one wide hidden layer, Cho and Saul
2009) learns from parts of the pilot and is asked for the rest. The share that it answers otherwise than the
teacher, against how many lessons it had, is carried on by a power law fitted by weighted least squares.
Guess, a prior: such shares fall as the root of the lessons, give or take a quarter in the exponent. What
heirs lose beside, by their own noise and by studying too short, is not foreseen.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from .read_budget import Pilot
from .read_budget import voiced

SLOPE, GIVE = -0.5, 0.25  # of the power law: prior mean and sd of its exponent


class Foreseen(NamedTuple):
    """What heirs of so many distinct lessons are foreseen to answer otherwise than their teacher."""

    lessons: int
    lost: float  # share of the answers
    error: float  # standard error of that


def foreseen(pilot: Pilot, lessons: Sequence[int], generator: Generator, repeats: int = 20) -> list[Foreseen]:
    """By the stand-in; the teacher's own noise counts as loss. Needs a pilot of at least 8."""
    total = len(pilot.x)
    if total < 8:
        return [Foreseen(n, math.nan, math.nan) for n in lessons]
    sizes = sorted({max(2, round(total * 0.8 ** (2 * k))) for k in range(1, 6)})
    points = []
    for size in sizes:
        missed = torch.tensor([_missed(pilot, size, generator) for _ in range(repeats)], dtype=torch.float64)
        share = float(missed.mean().clamp(min=0.5 / total))
        points.append((math.log(size), math.log(share), math.sqrt((1 - share) / (share * total))))
    log_n, log_share, error = (torch.tensor(c, dtype=torch.float64) for c in zip(*points, strict=True))
    weight = 1 / (error.square() * len(sizes))  # points share stimuli
    design = torch.stack((torch.ones_like(log_n), log_n), -1)
    known = (design.T * weight) @ design + torch.diag(torch.tensor([0.0, GIVE**-2], dtype=torch.float64))
    spread = torch.linalg.inv(known)
    prior = torch.tensor([0.0, SLOPE * GIVE**-2], dtype=torch.float64)
    law = spread @ ((design.T * weight) @ log_share + prior)
    return [_carried(law, spread, n, pilot.out.shape[-1]) for n in lessons]


def _carried(law: Tensor, spread: Tensor, lessons: int, classes: int) -> Foreseen:
    """The power law at so many lessons, never above guessing."""
    at = torch.tensor([1.0, math.log(max(1, lessons))], dtype=torch.float64)
    lost = min(1 - 1 / classes, math.exp(float(law @ at)))
    return Foreseen(lessons, lost, lost * math.sqrt(float(at @ spread @ at)))


def _missed(pilot: Pilot, size: int, generator: Generator) -> float:
    """Share of the rest of the pilot that a stand-in taught on a part of it answers otherwise."""
    order = torch.randperm(len(pilot.x), generator=generator)
    known, asked = order[:size], order[size:]
    out = voiced(pilot.out)
    ridge = pilot.noise / 2 / pilot.size + 1e-3
    said = stand_in(pilot.x[known], out[known], pilot.x[asked], ridge)
    return float((said.argmax(-1) != out[asked].argmax(-1)).double().mean())


def stand_in(x: Tensor, out: Tensor, asked: Tensor, ridge: float) -> Tensor:
    """Kernel regression as wide ReLU networks of one hidden layer do it; `ridge` relative to the kernel."""
    held = _rectified(x, x)
    held = held + ridge * held.diagonal().mean() * torch.eye(len(x), dtype=held.dtype)
    middle = out.double().mean(0)
    return middle + _rectified(asked, x) @ torch.linalg.solve(held, out.double() - middle)


def _rectified(a: Tensor, b: Tensor) -> Tensor:
    """Arc-cosine kernel of degree 1, inputs with an always-on one (Cho and Saul 2009, eq. 6)."""
    a, b = (torch.cat((v, torch.ones_like(v[:, :1])), -1).double() for v in (a, b))
    size = a.norm(dim=-1, keepdim=True) * b.norm(dim=-1)
    cosine = ((a @ b.T) / size).clamp(-1, 1)
    angle = cosine.acos()
    return size * (angle.sin() + (math.pi - angle) * cosine) / math.pi
