"""Distillation hands knowledge on, from chip to chip, by what a teacher answers."""

from .codistillation import Codistillation
from .codistillation import codistill
from .distillation_loss import DistillationLoss
from .distillation_loss import TeacherTarget
from .distillation_loss import soften
from .fidelity import Fidelity
from .fidelity import Likeness
from .forecast import forecast_loss
from .formats import AnswerFormat
from .formats import HardCaptions
from .formats import HardLabels
from .formats import Logits
from .formats import QuantizedLogits
from .formats import SampledLabels
from .formats import SoftCaptions
from .formats import SoftLabels
from .formats import check_answer_format
from .handover import Handover
from .handover import Traffic
from .handover import distill
from .handover import distillation_steps
from .handover import lessons
from .handover import record
from .prior_bias import fit_prior_bias
from .prior_bias import with_output_bias
from .read_budget import collect_until_death
from .read_budget import plan_reads
from .read_budget import planned_lessons
from .read_budget import run_pilot
from .stimuli import bald
from .stimuli import predictive_entropy
from .stimuli import select_top
from .stimuli import subsample
from .teachers import averaged
from .teachers import ensemble

__all__ = [
    "AnswerFormat",
    "Codistillation",
    "DistillationLoss",
    "Fidelity",
    "Handover",
    "HardCaptions",
    "HardLabels",
    "Likeness",
    "Logits",
    "QuantizedLogits",
    "SampledLabels",
    "SoftCaptions",
    "SoftLabels",
    "TeacherTarget",
    "Traffic",
    "averaged",
    "bald",
    "check_answer_format",
    "codistill",
    "collect_until_death",
    "distill",
    "distillation_steps",
    "ensemble",
    "fit_prior_bias",
    "forecast_loss",
    "lessons",
    "plan_reads",
    "planned_lessons",
    "predictive_entropy",
    "record",
    "run_pilot",
    "select_top",
    "soften",
    "subsample",
    "with_output_bias",
]
