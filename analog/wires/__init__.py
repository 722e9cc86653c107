"""Wrappers around a port: meters, budgets, tapes."""

from .budget import OverBudget
from .budget import budgeted
from .metering import Ledger
from .metering import metered
from .tape import ReplayMismatch
from .tape import Tape
from .tape import replayed
from .tape import taped

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
