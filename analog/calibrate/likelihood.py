"""The Gaussian pseudo-likelihood of a table, and its ascent by damped Fisher scoring from afar.

Far from the solution equations of moments have many false ones and weights that mislead; the likelihood of
a Gaussian with a device's moments says of any two devices which is the better, so that a step that leads
astray is taken back and tried again, shorter (Levenberg, Quarterly of Applied Mathematics 2 (1944) 164,
https://doi.org/10.1090/qam/10666).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .moments import Moments, whitening
from .search import MomentMatching

STEPS = 30
ENOUGH = 0.3  # gain of log-likelihood that is expected of a step no longer worth it
LONGEST = 1.5  # change of a search coordinate in one step


class Ascent(NamedTuple):
    """Where an ascent ended."""

    at: Tensor  # (parameters,), search coordinates
    covariance: Tensor  # (parameters, parameters), expected of an estimate near there


def loss(problem: MomentMatching, moments: Moments, at: Tensor) -> float:
    """Minus the log of pseudo-likelihood times prior, up to a constant; infinite for moments of no Gaussian.

    Args:
        problem: the table and the prior.
        moments: of a device.
        at: its search coordinates, (parameters,).
    """
    if not bool(moments.covariance.isfinite().all() and moments.mean.isfinite().all()):
        return math.inf
    factors = whitening(moments.covariance)
    first = torch.einsum("hij,hj->hi", factors, problem.observed.mean - moments.mean)
    squares = (factors @ problem.observed.covariance * factors).sum((1, 2)) + first.square().sum(1)
    logarithms = -2 * factors.diagonal(dim1=-2, dim2=-1).log().sum(1)
    misfit = 0.5 * float((problem.count * (logarithms + squares)).sum())
    away = 0.5 * float(((at - problem.prior.mean) / problem.prior.sd).square().sum())
    return misfit + away if math.isfinite(misfit) else math.inf


def ascend(problem: MomentMatching, at: Tensor) -> Ascent:
    """Climb the pseudo-likelihood times prior from search coordinates (parameters,)."""
    here = problem.rough_moments(at)
    height, damping = loss(problem, here, at), 1e-2
    for _ in range(STEPS):
        score, information = _score(problem, here, at)
        while True:
            scaled = information + damping * torch.diag(information.diagonal())
            step = torch.linalg.solve(scaled, score)
            step = step / max(1.0, float(step.abs().max()) / LONGEST)
            there = problem.within(at + step)
            if (damping <= 1 and float(score @ (there - at)) < ENOUGH) or damping > 1e8:
                return Ascent(at, torch.linalg.inv(information))
            try:
                moments = problem.rough_moments(there)
                lower = loss(problem, moments, there)
            except (ValueError, RuntimeError):
                lower = math.inf
            if lower < height:
                break
            damping = max(damping, 1e-3) * 8
        at, here, height, damping = there, moments, lower, damping / 8
    return Ascent(at, torch.linalg.inv(information))


def _score(problem: MomentMatching, here: Moments, at: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives (parameters,) of log pseudo-likelihood times prior, and their expected information."""
    factors = whitening(here.covariance)
    own = problem.weighted(here, here.mean, factors)
    root = problem.count.sqrt()[:, None]
    columns = []
    for k, width in enumerate(problem.differences.tolist()):
        for side in (1, -1):
            moved = at.clone()
            moved[k] += side * width
            try:
                there = problem.weighted(problem.rough_moments(moved), here.mean, factors)
            except ValueError:  # out of the device's range on this side
                continue
            columns.append((root * (there - own)).flatten() * (side / width))
            break
        else:
            columns.append(torch.zeros_like(root * own).flatten())
    jacobian = torch.stack(columns, -1)
    gap = (root * (problem.weighted(problem.observed, here.mean, factors) - own)).flatten()
    precision = problem.prior.sd**-2
    score = jacobian.T @ gap - precision * (at - problem.prior.mean)
    return score, jacobian.T @ jacobian + torch.diag(precision)
