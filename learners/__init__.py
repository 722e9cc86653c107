"""Learning through wires alone: estimators, updates, and the learners that step a port."""

from . import recipes
from .check.contracts import check_estimator
from .check.contracts import check_learner
from .check.linear_chip import LinearChip
from .checkpoints import BadState
from .checkpoints import load_state
from .checkpoints import save_state
from .descent import Descent
from .estimators.active import ActiveNodePerturbation
from .estimators.base import Estimator
from .estimators.base import ProbeResult
from .estimators.control_variates import ControlVariate
from .estimators.control_variates import RunningMean
from .estimators.distributions import Blocks
from .estimators.distributions import ProbeDistribution
from .estimators.distributions import gaussian
from .estimators.distributions import rademacher
from .estimators.distributions import rank_one
from .estimators.distributions import sparse
from .estimators.distributions import uniform
from .estimators.feedback import Feedback
from .estimators.flipout import Flipout
from .estimators.gradient import Gradient
from .estimators.gradient import knob_gradient
from .estimators.gradient import knob_gradients
from .estimators.joint_distributions import coordinates
from .estimators.joint_distributions import haar
from .estimators.joint_distributions import hadamard
from .estimators.joint_distributions import sphere
from .estimators.node import NodePerturbation
from .estimators.schemes import OneSided
from .estimators.schemes import Scheme
from .estimators.schemes import antithetic
from .estimators.schemes import leave_one_out
from .estimators.schemes import one_sided
from .estimators.schemes import paired_baseline
from .estimators.weight import WeightPerturbation
from .estimators.weight_mirrors import WeightMirrors
from .evaluation import evaluate
from .learner import Batch
from .learner import Learner
from .learner import Step
from .learner import fit
from .losses import BinaryCrossEntropy
from .losses import CrossEntropy
from .losses import Loss
from .losses import SquaredError
from .theory import best_settings
from .theory import laws
from .theory.tuning import Tuning
from .theory.tuning import tune_probe_size
from .training import Run
from .training import train
from .updates.basic import adagrad
from .updates.basic import adam
from .updates.basic import momentum
from .updates.basic import rmsprop
from .updates.basic import sgd
from .updates.hypergradient import current_hyperparameters
from .updates.hyperparameter import Hyperparameter
from .updates.record import Tuner
from .updates.record import Update
from .updates.rule import update_rule
from .updates.wrappers import accumulate
from .updates.wrappers import layerwise
from .updates.wrappers import linear_decay
from .updates.wrappers import with_schedule

__all__ = [
    "ActiveNodePerturbation",
    "BadState",
    "Batch",
    "BinaryCrossEntropy",
    "Blocks",
    "ControlVariate",
    "CrossEntropy",
    "Descent",
    "Estimator",
    "Feedback",
    "Flipout",
    "Gradient",
    "Hyperparameter",
    "Learner",
    "LinearChip",
    "Loss",
    "NodePerturbation",
    "OneSided",
    "ProbeDistribution",
    "ProbeResult",
    "Run",
    "RunningMean",
    "Scheme",
    "SquaredError",
    "Step",
    "Tuner",
    "Tuning",
    "Update",
    "WeightMirrors",
    "WeightPerturbation",
    "accumulate",
    "adagrad",
    "adam",
    "antithetic",
    "best_settings",
    "check_estimator",
    "check_learner",
    "coordinates",
    "current_hyperparameters",
    "evaluate",
    "fit",
    "gaussian",
    "haar",
    "hadamard",
    "knob_gradient",
    "knob_gradients",
    "laws",
    "layerwise",
    "leave_one_out",
    "linear_decay",
    "load_state",
    "momentum",
    "one_sided",
    "paired_baseline",
    "rademacher",
    "rank_one",
    "recipes",
    "rmsprop",
    "save_state",
    "sgd",
    "sparse",
    "sphere",
    "train",
    "tune_probe_size",
    "uniform",
    "update_rule",
    "with_schedule",
]
