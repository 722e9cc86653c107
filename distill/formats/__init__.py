"""Answer formats: one file each."""

from .answer_format import FLOAT_BITS, index_bits
from .captions import CaptionDistillationLoss, CaptionLoss, CaptionTarget, SoftCaptionTarget
from .subclasses import SubclassLoss
from .top_labels import TopLabels
from .words import Words, WordsLoss

__all__ = [
    "FLOAT_BITS",
    "CaptionDistillationLoss",
    "CaptionLoss",
    "CaptionTarget",
    "SoftCaptionTarget",
    "SubclassLoss",
    "TopLabels",
    "Words",
    "WordsLoss",
    "index_bits",
]
