"""What is handed on of a layer's activity where each layer has an objective of its own: its pattern.

How active a layer was is what its objective decided by; the layer above is to learn something else.
"""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Normalization: TypeAlias = Callable[[Tensor], Tensor]
"""Of activities (..., features), each vector by itself, of the same shape."""


def normalize(x: Tensor) -> Tensor:
    """The same direction (..., features) at root mean square 1: how active a layer was is not handed on."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * (x.shape[-1] ** 0.5 / length.clamp(min=torch.finfo(x.dtype).tiny ** 0.5))


def standardize(x: Tensor) -> Tensor:
    """The same pattern (..., features) at mean 0 and root mean square 1."""
    return normalize(x - x.mean(-1, keepdim=True))


def standardized_triangle(x: Tensor) -> Tensor:
    """The part of activities (..., features) above the mean of their layer, the rest 0, then standardized.

    Coates, Ng and Lee, "An analysis of single-layer networks in unsupervised feature learning" (2011,
    https://proceedings.mlr.press/v15/coates11a.html), call such codes triangles; they are sparse.
    """
    return standardize((x - x.mean(-1, keepdim=True)).relu())
