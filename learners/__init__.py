"""Learning through wires alone: estimators, updates, and the learners that step a port."""

from . import recipes
from .check.control_variate import check_control_variate
from .check.estimator import check_estimator
from .check.learner import check_learner
from .check.loss import check_loss
from .check.update import check_update
from .checkpoints import load_state, save_state
from .descent import Descent
from .estimators.base import Estimator, ProbeResult
from .estimators.control_variates import ControlVariate
from .estimators.distributions import gaussian, rademacher
from .estimators.feedback import Feedback
from .estimators.gradient import Gradient
from .estimators.node import NodePerturbation
from .estimators.schemes import antithetic, leave_one_out, one_sided
from .estimators.weight import WeightPerturbation
from .evaluation import evaluate
from .learner import Batch, Learner, Step, fit
from .losses import BinaryCrossEntropy, CrossEntropy, Loss, MeasuredLoss, SquaredError
from .measured_feedback import MeasuredFeedback
from .theory import laws
from .theory.tuning import tune_probe_size
from .training import train
from .training_state import Run
from .updates.basic import adagrad, adam, momentum, rmsprop, sgd
from .updates.hyperparameter import Hyperparameter
from .updates.record import Tuner, Update
from .updates.rule import update_rule
from .updates.wrappers import accumulate, layerwise, linear_decay, with_schedule

__all__ = [
    "Batch",
    "BinaryCrossEntropy",
    "ControlVariate",
    "CrossEntropy",
    "Descent",
    "Estimator",
    "Feedback",
    "Gradient",
    "Hyperparameter",
    "Learner",
    "Loss",
    "MeasuredFeedback",
    "MeasuredLoss",
    "NodePerturbation",
    "ProbeResult",
    "Run",
    "SquaredError",
    "Step",
    "Tuner",
    "Update",
    "WeightPerturbation",
    "accumulate",
    "adagrad",
    "adam",
    "antithetic",
    "check_control_variate",
    "check_estimator",
    "check_learner",
    "check_loss",
    "check_update",
    "evaluate",
    "fit",
    "gaussian",
    "laws",
    "layerwise",
    "leave_one_out",
    "linear_decay",
    "load_state",
    "momentum",
    "one_sided",
    "rademacher",
    "recipes",
    "rmsprop",
    "save_state",
    "sgd",
    "train",
    "tune_probe_size",
    "update_rule",
    "with_schedule",
]
