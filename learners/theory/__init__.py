"""What the laws say before anything is measured, and settings that follow from them."""

from . import best_settings, laws
from .tuning import Tuning, tune_probe_size

__all__ = [
    "Tuning",
    "best_settings",
    "laws",
    "tune_probe_size",
]
