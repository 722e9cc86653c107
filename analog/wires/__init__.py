"""Wrappers around a port: meters, budgets, tapes, and access withheld."""

from ..access import Access, NoAccess
from .access import append_target, withheld
from .tape import ReplayMismatch

__all__ = [
    "Access",
    "NoAccess",
    "ReplayMismatch",
    "append_target",
    "withheld",
]
