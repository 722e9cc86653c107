"""How the law of an estimate changes with the truth that it is asked about.

A standard error belongs to the estimate; a truth elsewhere would have let the estimate scatter otherwise, and
moved it by other than the distance to it. A spread that hides beneath a larger one moves readings by its
square: half of it moves them by a quarter, and is far less absurd than two standard errors of a logarithm
say. So each truth is asked as a score test asks it, with what the device shows there: along the line on
which the others follow the parameter, the mean and the scatter of what makes up the estimate are taken on
both sides, which is the difference between an interval of Wald and one of Rao (Rao, Mathematical Proceedings
of the Cambridge Philosophical Society 44 (1948) 50, https://doi.org/10.1017/S0305004100023987).
"""

import torch
from torch import Tensor

from .moments import Moments
from .sampling import SamplingError
from .search import Linearization, MomentMatching

SIDES = 1.5  # standard errors to either side at which truths are asked


def bends(
    problem: MomentMatching, linear: Linearization, at: Tensor, sampling: SamplingError, asked: Tensor
) -> Tensor:
    """The coefficient q of the studentized distance s + q s^2 from the estimate to a truth.

    Args:
        problem: of the estimate.
        linear: weights and derivatives near it.
        at: the estimate, search coordinates, (parameters,).
        sampling: of the estimate.
        asked: of which parameters, (parameters,).

    Returns:
        (parameters,); 0 of those that are not asked, and where a side is out of the device's range.
    """
    found = torch.zeros_like(at)
    errors = sampling.covariance.diagonal().sqrt()
    here = problem.rough_moments(at)
    for k in asked.nonzero()[:, 0].tolist():
        tangent = sampling.covariance[:, k] / errors[k] * SIDES
        weights = (linear.least @ sampling.bread[k]).unflatten(0, (len(problem.count), -1))
        distances = []
        for side in (1, -1):
            place = problem.within(at + side * tangent)
            if float(place[k]) != float(at[k] + side * tangent[k]):
                break
            try:
                there = problem.rough_moments(place)
            except ValueError:
                break
            distances.append(_distance(problem, linear, weights, here, there) / float(errors[k]))
        if len(distances) == 2:
            found[k] = sum(distances) / (2 * SIDES**2)
    return found.nan_to_num(0.0, 0.0, 0.0)


def _distance(
    problem: MomentMatching, linear: Linearization, weights: Tensor, here: Moments, there: Moments
) -> float:
    """How far an estimate moves from here to there, in its scatter there, where 1 is its scatter here."""
    root = problem.count.sqrt()[:, None]
    own, other = (problem.weighted(m, linear.mean, linear.factors) for m in (here, there))
    moved = float((weights * root * (other - own)).sum())
    return (
        moved
        / (_variance(problem, linear, weights, there) / _variance(problem, linear, weights, here)) ** 0.5
    )


def _variance(problem: MomentMatching, linear: Linearization, weights: Tensor, moments: Moments) -> float:
    """The variance of weighted first and second moments (histories, moments) of Gaussian readings."""
    rows = moments.mean.shape[1]
    covariance = linear.factors @ moments.covariance @ linear.factors.mT
    first = torch.einsum("hij,hj->hi", linear.factors, moments.mean - linear.mean)
    quadratic = weights.new_zeros(len(weights), rows, rows)
    quadratic[:, problem.upper[0], problem.upper[1]] = problem.share * weights[:, rows:]
    quadratic = (quadratic + quadratic.mT) / 2
    slope = weights[:, :rows] + 2 * torch.einsum("hij,hj->hi", quadratic, first)
    product = quadratic @ covariance
    scatter = 2 * torch.einsum("hij,hji->h", product, product)
    scatter = scatter + torch.einsum("hi,hij,hj->h", slope, covariance, slope)
    return float(scatter.sum().clamp(min=1e-300))
