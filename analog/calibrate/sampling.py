"""How an estimate scatters: the sandwich of its score, clustered by cell, with what the prior leaves open.

What each cell adds to the score is counted over the table's own cells and over those of the fitted device,
as many times as it was simulated anew: of a long tail the table alone shows too little, and an estimate that
the missing cells would raise is low together with its standard error.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .moments import whitened
from .search import Linearization, MomentMatching


class SamplingError(NamedTuple):
    """How an estimate scatters."""

    covariance: Tensor  # (parameters, parameters)
    skewness: Tensor  # (parameters,), of the estimate
    # (parameters,), degrees of freedom of its standard error: 2 / its square's relative variance
    freedom: Tensor
    share: float  # of the table's own cells in the standard error
    bread: Tensor  # (parameters, parameters), from the score to the estimate


def sampling_error(
    problem: MomentMatching, linear: Linearization, copies: float, simulated: Tensor | None
) -> SamplingError:
    """The scatter of an estimate, from what each cell adds to it.

    Args:
        problem: of the estimate.
        linear: weights and derivatives near it.
        copies: simulated cells for each measured one, behind the moments that were matched.
        simulated: readings of the fitted device, (copies, cells, rows); None under a closed form.
    """
    # the estimate moves by the derivatives of its own moments; those of the linearization count their
    # own noise when they are squared
    weights = linear.mean, linear.factors
    _, moving = problem.derivatives(problem.moments, linear.at, linear.directions, *weights)
    precision = torch.diag(problem.prior.sd**-2)
    bread = torch.linalg.pinv(linear.least.T @ moving + precision)
    again = [] if simulated is None else list(simulated)
    share = 1 / (1 + len(again))
    scores = [_scores(problem, linear, readings) for readings in (problem.table.readings, *again)]
    influences = share**0.5 * torch.cat(scores) @ bread.T  # (cells, parameters), of each on the estimate
    covariance = influences.T @ influences
    square = covariance.diagonal().clamp(min=torch.finfo(covariance.dtype).tiny)
    whole = covariance * (1 + 1 / copies) + bread @ precision @ bread.T
    skewness = (influences**3).sum(0) / share**0.5 / whole.diagonal() ** 1.5
    fourth = (influences**4).sum(0) / square**2
    freedom = 2 / (fourth - 1 / len(influences)).clamp(min=1e-9)
    freedom = freedom * (whole.diagonal() / square) ** 2  # the rest of it is known
    return SamplingError(whole, skewness, freedom.clamp(max=1e9), share, bread)


def _scores(problem: MomentMatching, linear: Linearization, readings: Tensor) -> Tensor:
    """What each cell (cells, rows) adds to the score: (cells, parameters)."""
    z = whitened(readings, problem.which, linear.mean, linear.factors)
    contributions = torch.cat([z, problem.share * z[:, problem.upper[0]] * z[:, problem.upper[1]]], -1)
    count = problem.count
    total = contributions.new_zeros(len(count), contributions.shape[1])
    means = total.index_add_(0, problem.which, contributions) / count[:, None]
    deviations = contributions - means[problem.which]
    each = linear.least.unflatten(0, (len(count), -1))[problem.which]  # (cells, moments, parameters)
    scores = torch.einsum("cm,cmp->cp", deviations, each) / count.sqrt()[problem.which, None]
    return scores * (count / (count - 1)).sqrt()[problem.which, None]
