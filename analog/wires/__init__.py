"""Wrappers around a port: meters, budgets, tapes."""

from .tape import ReplayMismatch

__all__ = [
    "ReplayMismatch",
]
