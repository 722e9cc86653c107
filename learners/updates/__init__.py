"""Updates: from an estimated gradient to the drive that is pulsed, plain or tuned by another update."""

from .hypergradient import current_hyperparameters
from .wrappers import accumulate_gradients

__all__ = [
    "accumulate_gradients",
    "current_hyperparameters",
]
