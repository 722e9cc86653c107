"""What the laws say before anything is measured, and settings that follow from them."""

from . import best_settings
from . import laws
from .tuning import Tuning
from .tuning import tune_probe_size

__all__ = [
    "Tuning",
    "best_settings",
    "laws",
    "tune_probe_size",
]
