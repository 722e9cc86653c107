"""Updates: from an estimated gradient to the drive that is pulsed, plain or tuned by another update."""

from .basic import adagrad, adam, momentum, rmsprop, sgd
from .hypergradient import current_hyperparameters
from .hyperparameter import Hyperparameter
from .record import Tuner, Update
from .rule import update_rule
from .wrappers import accumulate, layerwise, linear_decay, with_schedule

__all__ = [
    "Hyperparameter",
    "Tuner",
    "Update",
    "accumulate",
    "adagrad",
    "adam",
    "current_hyperparameters",
    "layerwise",
    "linear_decay",
    "momentum",
    "rmsprop",
    "sgd",
    "update_rule",
    "with_schedule",
]
