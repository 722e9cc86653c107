"""Wrappers around a port: meters, budgets, tapes."""

from .budget import OverBudget, budgeted
from .metering import Ledger, metered
from .tape import ReplayMismatch, Tape, replayed, taped

__all__ = [
    "Ledger",
    "OverBudget",
    "ReplayMismatch",
    "Tape",
    "budgeted",
    "metered",
    "replayed",
    "taped",
]
