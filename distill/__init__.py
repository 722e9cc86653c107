"""Distillation hands knowledge on, from chip to chip, by what a teacher answers."""

from distill.formats.answer_format import AnswerFormat
from distill.formats.captions import HardCaptions, SoftCaptions
from distill.formats.contract import check_answer_format
from distill.formats.hard_labels import HardLabels
from distill.formats.logits import Logits
from distill.formats.quantized_logits import QuantizedLogits
from distill.formats.sampled_labels import SampledLabels
from distill.formats.soft_labels import SoftLabels

from .codistillation import Codistillation, codistill
from .distillation_loss import DistillationLoss, TeacherTarget, soften
from .fidelity import Fidelity, Likeness
from .forecast import forecast_loss
from .handover import Handover, Traffic, distill, distillation_steps, lessons, record
from .prior_bias import fit_prior_bias, with_output_bias
from .read_budget import collect_until_death, plan_reads, planned_lessons, run_pilot
from .stimuli import bald, predictive_entropy, select_top, subsample
from .teachers import averaged, ensemble

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
