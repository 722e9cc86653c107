"""What a table can tell: parameters that its plan cannot identify are dropped first, or doubted later."""

import math

import torch
from torch import Tensor

from .scales import SearchScale, search_coordinates
from .search import MomentMatching

EITHER_SIGN = 0.5  # standard error beyond which a parameter of either sign counts as not identifiable


def drop_unidentifiable(problem: MomentMatching, limit: float, notes: list[str]) -> MomentMatching:
    """The problem with only those parameters that its plan can tell at the start, to within `limit`.

    Args:
        problem: with all candidates.
        limit: as `calibrate` has it.
        notes: gets a line for each parameter that is dropped.

    Raises:
        ValueError: none is left.
    """
    scales = problem.scales
    start = search_coordinates(problem.device, scales)
    jacobian = problem.linearize_by_parameter(start).jacobian
    left = list(range(len(scales)))
    while left:
        errors = [_expected_error(jacobian[:, left], j) for j in range(len(left))]
        allowed = [allowed_error(scales[k], limit) for k in left]
        worst = max(range(len(left)), key=lambda j: errors[j] / allowed[j])
        if errors[worst] <= allowed[worst]:
            break
        scale = scales[left[worst]]
        alone = float(jacobian[:, left[worst]].norm())
        shows = alone > 0 and 1 / alone <= allowed[worst]
        why = "it shows only together with others" if shows else "it hardly shows"
        notes.append(
            f"{scale.name} is not identifiable from this table ({why}; expected relative standard error "
            f"{errors[worst]:.2g}); held at {getattr(problem.device, scale.name):g}"
        )
        del left[worst]
    if not left:
        name = type(problem.device).__name__
        raise ValueError(f"{name}: no parameter is identifiable from this table; " + "; ".join(notes))
    kept = tuple(scales[k] for k in left)
    return MomentMatching(problem.device, problem.table, kept, problem.model, problem.weight_model)


def allowed_error(scale: SearchScale, limit: float) -> float:
    """The standard error beyond which a parameter counts as not identifiable."""
    return limit if scale.sign else EITHER_SIGN


def _expected_error(jacobian: Tensor, one: int) -> float:
    """Standard error of one parameter, were readings Gaussian, by derivatives (moments, parameters)."""
    column = jacobian[:, one]
    others = torch.cat([jacobian[:, :one], jacobian[:, one + 1 :]], 1)
    if others.shape[1]:
        column = column - others @ torch.linalg.lstsq(others, column[:, None], driver="gelsd").solution[:, 0]
    alone = float(column.norm())
    return 1 / alone if alone > 1e-6 * float(jacobian[:, one].norm()) and alone > 0 else math.inf


def doubts(scales: tuple[SearchScale, ...], covariance: Tensor, limit: float) -> list[str]:
    """A line for each parameter that the estimate turned out not to tell, by its covariance.

    Args:
        scales: of the parameters.
        covariance: of the estimate, (parameters, parameters).
        limit: as `calibrate` has it.
    """
    errors = covariance.diagonal().clamp(min=0).sqrt().tolist()
    return [
        f"{s.name} is not identifiable from this table: relative standard error {e:.2g}; its interval is a "
        "lower bound of what is not known"
        for s, e in zip(scales, errors, strict=True)
        if not 0 < e <= 1.5 * allowed_error(s, limit)
    ]
