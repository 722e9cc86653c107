"""Distillation hands knowledge on, from chip to chip, by what a teacher answers."""

from .codistillation import Codistillation
from .codistillation import codistill
from .communication import CommunicationLog
from .distillation_loss import DistillationLoss
from .distillation_loss import TeacherTarget
from .distillation_loss import soften
from .fidelity import Fidelity
from .fidelity import Likeness
from .fidelity import RepeatedMistakes
from .fidelity import agreement
from .fidelity import cohen_kappa
from .fidelity import expected_calibration_error
from .fidelity import kl_divergence
from .fidelity import repeated_mistakes
from .forecast import Forecast
from .forecast import forecast_loss
from .formats import AnswerFormat
from .formats import CaptionLoss
from .formats import CaptionTarget
from .formats import HardCaptions
from .formats import HardLabels
from .formats import Logits
from .formats import QuantizedLogits
from .formats import SampledLabels
from .formats import SoftCaptions
from .formats import SoftLabels
from .formats import SubclassLoss
from .formats import check_answer_format
from .handover import Handover
from .handover import Traffic
from .handover import distill
from .handover import distillation_steps
from .handover import lessons
from .handover import record
from .outputs import class_outputs
from .outputs import sum_subclasses
from .prior_bias import fit_prior_bias
from .prior_bias import with_output_bias
from .read_budget import STUDENT_TEMPERATURE
from .read_budget import Pilot
from .read_budget import ReadPlan
from .read_budget import collect_until_death
from .read_budget import plan_reads
from .read_budget import planned_lessons
from .read_budget import repeats_if_interpolating
from .read_budget import run_pilot
from .stimuli import bald
from .stimuli import drop_classes
from .stimuli import gaussian_noise
from .stimuli import mixup
from .stimuli import predictive_entropy
from .stimuli import resize
from .stimuli import select_top
from .stimuli import subsample
from .teachers import averaged
from .teachers import ensemble

__all__ = [
    "STUDENT_TEMPERATURE",
    "AnswerFormat",
    "CaptionLoss",
    "CaptionTarget",
    "Codistillation",
    "CommunicationLog",
    "DistillationLoss",
    "Fidelity",
    "Forecast",
    "Handover",
    "HardCaptions",
    "HardLabels",
    "Likeness",
    "Logits",
    "Pilot",
    "QuantizedLogits",
    "ReadPlan",
    "RepeatedMistakes",
    "SampledLabels",
    "SoftCaptions",
    "SoftLabels",
    "SubclassLoss",
    "TeacherTarget",
    "Traffic",
    "agreement",
    "averaged",
    "bald",
    "check_answer_format",
    "class_outputs",
    "codistill",
    "cohen_kappa",
    "collect_until_death",
    "distill",
    "distillation_steps",
    "drop_classes",
    "ensemble",
    "expected_calibration_error",
    "fit_prior_bias",
    "forecast_loss",
    "gaussian_noise",
    "kl_divergence",
    "lessons",
    "mixup",
    "plan_reads",
    "planned_lessons",
    "predictive_entropy",
    "record",
    "repeated_mistakes",
    "repeats_if_interpolating",
    "resize",
    "run_pilot",
    "select_top",
    "soften",
    "subsample",
    "sum_subclasses",
    "with_output_bias",
]
