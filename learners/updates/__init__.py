"""Updates: from an estimated gradient to the drive that is pulsed, plain or tuned by another update."""

from .hypergradient import current_hyperparameters

__all__ = [
    "current_hyperparameters",
]
