"""Learning through wires alone: estimators, updates, and the learners that step a port."""

from . import recipes
from .check.contracts import check_estimator
from .check.contracts import check_learner
from .checkpoints import load_state
from .checkpoints import save_state
from .descent import Descent
from .estimators.base import Estimator
from .estimators.base import ProbeResult
from .estimators.control_variates import ControlVariate
from .estimators.distributions import gaussian
from .estimators.distributions import rademacher
from .estimators.feedback import Feedback
from .estimators.gradient import Gradient
from .estimators.node import NodePerturbation
from .estimators.schemes import antithetic
from .estimators.schemes import leave_one_out
from .estimators.schemes import one_sided
from .estimators.weight import WeightPerturbation
from .evaluation import evaluate
from .learner import Batch
from .learner import Learner
from .learner import Step
from .learner import fit
from .losses import BinaryCrossEntropy
from .losses import CrossEntropy
from .losses import Loss
from .losses import SquaredError
from .theory import laws
from .theory.tuning import tune_probe_size
from .training import Run
from .training import train
from .updates.basic import adagrad
from .updates.basic import adam
from .updates.basic import momentum
from .updates.basic import rmsprop
from .updates.basic import sgd
from .updates.hyperparameter import Hyperparameter
from .updates.record import Tuner
from .updates.record import Update
from .updates.rule import update_rule
from .updates.wrappers import accumulate
from .updates.wrappers import layerwise
from .updates.wrappers import linear_decay
from .updates.wrappers import with_schedule

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
    "check_estimator",
    "check_learner",
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
