"""Contracts for users' own estimators, learners, losses and updates."""

from .linear_chip import LinearChip
from .mean_laws import Scales

__all__ = [
    "LinearChip",
    "Scales",
]
