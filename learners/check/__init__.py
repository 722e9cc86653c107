"""Contracts for users' own learners and estimators."""

from .linear_chip import LinearChip

__all__ = [
    "LinearChip",
]
