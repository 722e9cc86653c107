"""What the laws say before anything is measured, and settings that follow from them."""

from . import best_settings
from .nudge_tuning import NudgeTuning, tune_nudge
from .tuning import Tuning

__all__ = [
    "NudgeTuning",
    "Tuning",
    "best_settings",
    "tune_nudge",
]
