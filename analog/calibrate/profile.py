"""What an open parameter leaves open of the others, beyond what derivatives at the estimate say.

Of two parameters that show only together, such as the gains of cells and of their amplifier, the likelihood
has a curved ridge, and its tangent at the estimate misleads: on the ridge's far side one of them may be
anything. So each parameter that a table hardly tells is held at a few values that its prior and the table
allow, the others are estimated again, and what they move beyond the tangent is the least that is not known
of them (a profile likelihood, as of Raue et al., https://doi.org/10.1093/bioinformatics/btp358).
In the same way each estimate that looks well told is held far from itself, where the moments must differ.
"""

import math

import torch
from torch import Tensor

from .identifiability import FAR, TIED
from .likelihood import loss
from .search import Linearization, MomentMatching

OPEN = 0.3  # standard error, in units of the prior's, beyond which a parameter is open
PLACES = (1.5, 0.75)  # standard errors to either side at which it is held: nearer only if not farther
HELD = 0.01  # standard errors that it may go
EVALUATIONS = 7  # of the moments at each, which need not be exact
FEWER = 3  # of them where only a much better place is looked for
LITTLE = 0.3  # of the square of the distance that there should be
ALLOWED = 3.0  # loss of log-likelihood at which a place is still possible


def excess_moves(problem: MomentMatching, linear: Linearization, at: Tensor, covariance: Tensor) -> Tensor:
    """How far each estimate moves beyond its tangent when another, open one is held elsewhere.

    Args:
        problem: of the estimate.
        linear: weights and derivatives near it.
        at: the estimate, search coordinates, (parameters,).
        covariance: of the estimate, (parameters, parameters).

    Returns:
        The furthest of allowed moves, in standard errors of the estimate that moves: (open one, moved one),
        (parameters, parameters). Once every estimate that could be vouched for moves too far, the rest are 0.
    """
    errors = covariance.diagonal().sqrt()
    least = loss(problem, problem.moments(at), at)
    moves = torch.zeros_like(covariance)
    told = errors <= problem.prior.sd / 2
    for k in (errors > OPEN * problem.prior.sd).nonzero()[:, 0].tolist():
        if bool((moves.amax(0) > TIED)[told].all()):  # nothing is left to be vouched for
            break
        tangent = covariance[:, k] / covariance[k, k]
        for side in (-1, 1):
            for place in PLACES:
                step = float(side * place * errors[k])
                if not float(problem.prior.low[k]) < float(at[k]) + step < float(problem.prior.high[k]):
                    continue
                held = problem.held(k, float(at[k]) + step, HELD * float(errors[k]))
                moved = held.solve(linear._replace(at=held.within(at + tangent * step)), EVALUATIONS)
                if _height(problem, moved) - least < ALLOWED:
                    excess = ((moved - at - tangent * step) / errors).abs()
                    excess[k] = 0.0
                    moves[k] = torch.maximum(moves[k], excess)
                    break
    return moves


def plateaus(
    problem: MomentMatching, linear: Linearization, at: Tensor, covariance: Tensor, asked: Tensor
) -> Tensor:
    """How far estimates move when one is held some standard errors away and the table suits that as well.

    Derivatives are taken over two standard errors. Where cells jump over an edge, their chance alone may look
    like a slope so near, and makes the standard error that it is looked at over; farther away it does not.

    Args:
        problem: of the estimate.
        linear: weights and derivatives near it.
        at: the estimate, search coordinates, (parameters,).
        covariance: of the estimate, (parameters, parameters).
        asked: of which parameters, (parameters,).

    Returns:
        As of `excess_moves`, with those on the diagonal that were found so, at such a place: where the
        moments are much nearer to those of the estimate than they should be. (A likelihood would not say it:
        its matrices are as noisy as the simulated cells are few.)
    """
    moves, errors = torch.zeros_like(covariance), covariance.diagonal().sqrt()
    shown = problem.shown(at, linear)
    basis, precision = torch.linalg.qr(linear.jacobian)[0], problem.prior.sd**-2
    for k in asked.nonzero()[:, 0].tolist():
        for side in (FAR, -FAR):
            place = at + side * covariance[:, k] / errors[k]
            start = problem.within(place)
            if float(start[k]) != float(place[k]):
                continue
            held = problem.held(k, float(place[k]), HELD * float(errors[k]))
            moved = held.solve(linear._replace(at=start), FEWER)
            away = (basis.T @ (problem.shown(moved, linear) - shown)).square().sum()
            away = away + (precision * (moved - at).square()).sum()
            if float(away) < LITTLE * FAR**2:
                excess = ((moved - place) / errors).abs()
                excess[k] = FAR
                moves[k] = torch.maximum(moves[k], excess)
    return moves


def _height(problem: MomentMatching, at: Tensor) -> float:
    try:
        return loss(problem, problem.moments(at), at)
    except (ValueError, RuntimeError):
        return math.inf
