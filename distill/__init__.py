"""Handing knowledge on, from chip to chip, by what a teacher answers."""

from learners.data.batches import kept

from .answers import Answers
from .answers import Label
from .answers import Quantised
from .answers import Raw
from .answers import Samples
from .answers import Soft
from .captions import Caption
from .captions import Captioned
from .captions import CaptionMatching
from .captions import Captions
from .captions import PlainCaptions
from .captions import Softened
from .codistillation import Sharing
from .codistillation import community
from .codistillation import taken
from .codistillation import turns
from .communication import Mail
from .fidelity import Fidelity
from .fidelity import Likeness
from .fidelity import Repeated
from .fidelity import agreement
from .fidelity import calibration_error
from .fidelity import divergence
from .fidelity import kappa
from .fidelity import repeated_mistakes
from .forecast import Foreseen
from .forecast import foreseen
from .handover import Traffic
from .handover import distill
from .handover import lessons
from .handover import written
from .outputs import merged
from .outputs import uncaptioned
from .prior_bias import prior_shift
from .prior_bias import shifted
from .read_budget import HEARD
from .read_budget import Deadline
from .read_budget import Pilot
from .read_budget import Plan
from .read_budget import by_heart
from .read_budget import listen
from .read_budget import planned
from .read_budget import saved
from .read_budget import told
from .softening import Answer
from .softening import Matching
from .softening import soften
from .stimuli import chosen
from .stimuli import dispute
from .stimuli import doubt
from .stimuli import mixtures
from .stimuli import noise
from .stimuli import resampled
from .stimuli import some
from .stimuli import without
from .subclasses import Subclassed
from .teachers import steadied
from .teachers import together

__all__ = [
    "HEARD",
    "Answer",
    "Answers",
    "Caption",
    "CaptionMatching",
    "Captioned",
    "Captions",
    "Deadline",
    "Fidelity",
    "Foreseen",
    "Label",
    "Likeness",
    "Mail",
    "Matching",
    "Pilot",
    "PlainCaptions",
    "Plan",
    "Quantised",
    "Raw",
    "Repeated",
    "Samples",
    "Sharing",
    "Soft",
    "Softened",
    "Subclassed",
    "Traffic",
    "agreement",
    "by_heart",
    "calibration_error",
    "chosen",
    "community",
    "dispute",
    "distill",
    "divergence",
    "doubt",
    "foreseen",
    "kappa",
    "kept",
    "lessons",
    "listen",
    "merged",
    "mixtures",
    "noise",
    "planned",
    "prior_shift",
    "repeated_mistakes",
    "resampled",
    "saved",
    "shifted",
    "soften",
    "some",
    "steadied",
    "taken",
    "together",
    "told",
    "turns",
    "uncaptioned",
    "without",
    "written",
]
