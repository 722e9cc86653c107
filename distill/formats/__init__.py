"""Answer formats: one file each."""

from .answer_format import FLOAT_BITS, AnswerFormat, index_bits
from .captions import (
    CaptionDistillationLoss,
    CaptionLoss,
    CaptionTarget,
    HardCaptions,
    SoftCaptions,
    SoftCaptionTarget,
)
from .contract import check_answer_format
from .hard_labels import HardLabels
from .logits import Logits
from .quantized_logits import QuantizedLogits
from .sampled_labels import SampledLabels
from .soft_labels import SoftLabels
from .subclasses import SubclassLoss

__all__ = [
    "FLOAT_BITS",
    "AnswerFormat",
    "CaptionDistillationLoss",
    "CaptionLoss",
    "CaptionTarget",
    "HardCaptions",
    "HardLabels",
    "Logits",
    "QuantizedLogits",
    "SampledLabels",
    "SoftCaptionTarget",
    "SoftCaptions",
    "SoftLabels",
    "SubclassLoss",
    "check_answer_format",
    "index_bits",
]
