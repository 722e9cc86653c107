"""Contracts for users' own learners and estimators."""

from .contracts import check_estimator, check_learner
from .linear_chip import LinearChip

__all__ = [
    "LinearChip",
    "check_estimator",
    "check_learner",
]
