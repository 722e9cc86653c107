"""A loss's own gradient against finite differences of each example's loss."""

from typing import Any

import torch
from torch import Tensor

from learners.losses import Loss, known_gradient


def slope_gap(loss: Loss, out: Tensor, target: Any, size: float = 1e-5) -> float:
    """The worst difference, float64; every output of every example is moved alone."""
    slope = known_gradient(loss, "slope_gap")(out, target)
    worst = 0.0
    for n in range(out.shape[-2]):
        for c in range(out.shape[-1]):
            step = torch.zeros_like(out)
            step[..., n, c] = size
            change = (loss(out + step, target) - loss(out - step, target))[..., n] / (2 * size)
            worst = max(worst, float((slope[..., n, c] - change).abs().max()))
    return worst
