"""What the laws say before anything is measured, and settings that follow from them."""

from . import best_settings
from .tuning import Tuning

__all__ = [
    "Tuning",
    "best_settings",
]
