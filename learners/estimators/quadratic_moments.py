"""Moments of q = v'Hv beside a random direction v: all that curvature adds to an estimate follows from them.

Derived for this project, for directions whose distribution is symmetric about 0.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class QuadraticMoments(NamedTuple):
    """The moments of q = v'Hv that closed forms need, v one direction with E v v' = I, so that E q = tr H."""

    variance: Tensor  # (), of q
    first: Tensor  # (D, D), E q v v'
    second: Tensor  # (D, D), E q^2 v v'


def independent_moments(hessian: Tensor, fourth: float, sixth: float) -> QuadraticMoments:
    """The moments of q where coordinates are independent of one another, with mean square 1.

    With h the diagonal of H, O the rest of it and k the fourth moment, the parts of E (q - tr H)^2 v v' are
    4 (k - 1) O_ij (h_i + h_j) + 8 (O^2)_ij off the diagonal, and on it
    (k - 1)(|h|^2 - h_i^2) + (m_6 - 2k + 1) h_i^2 + 2 |O|^2 + 4 (k - 1)(O^2)_ii.

    Args:
        hessian: (D, D), symmetric.
        fourth: E v^4 of a coordinate.
        sixth: E v^6 of a coordinate.
    """
    h = hessian.diagonal()
    rest = hessian - torch.diag(h)
    square, excess, trace, eye = rest @ rest, fourth - 1, h.sum(), torch.eye(len(h)).to(hessian)
    variance = excess * h.square().sum() + 2 * rest.square().sum()
    off = 4 * excess * rest * (h + h[:, None]) + 8 * (square - torch.diag(square.diagonal()))
    alone = (sixth - 2 * fourth + 1 - excess) * h.square() + 4 * excess * square.diagonal()
    around = off + torch.diag(alone) + variance * eye  # E (q - tr H)^2 v v'
    first = trace * eye + 2 * rest + excess * torch.diag(h)
    return QuadraticMoments(variance, first, around + 2 * trace * first - trace**2 * eye)


def sphere_moments(hessian: Tensor) -> QuadraticMoments:
    """The moments of q on the sphere of radius sqrt D: those of a Gaussian direction, without its length's.

    Args:
        hessian: (D, D), symmetric.
    """
    size, (_, first, second) = len(hessian), independent_moments(hessian, 3.0, 15.0)
    trace, power = hessian.trace(), hessian.square().sum()
    variance = size / (size + 2) * (trace**2 + 2 * power) - trace**2
    shrink = size / (size + 2)
    return QuadraticMoments(variance, shrink * first, shrink * size / (size + 4) * second)


def require_symmetric(name: str, derivatives: Tensor) -> None:
    """Pass on derivatives (D, ..., D) that do not depend on the order of their indices.

    They may by a thousand roundings of the largest.

    Raises:
        ValueError: they do, or are not square, or not finite floating-point numbers.
    """
    shape = tuple(derivatives.shape)
    if derivatives.ndim < 2 or len(set(shape)) > 1 or not derivatives.is_floating_point():
        raise ValueError(f"{name} is {shape} {derivatives.dtype}, wanted (D, ..., D) floating-point numbers")
    if not torch.isfinite(derivatives).all():
        raise ValueError(f"{name} is not finite")
    difference = max(
        float((derivatives - derivatives.transpose(axis, -1)).abs().max())
        for axis in range(derivatives.ndim - 1)
    )
    if difference > 1e3 * torch.finfo(derivatives.dtype).eps * float(derivatives.abs().max()):
        raise ValueError(f"{name} is not symmetric (by up to {difference:.3g}); derivatives are")
