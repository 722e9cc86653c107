"""Updates: from an estimated gradient to the drive that is pulsed, plain or tuned by another update."""

from .basic import adagrad
from .basic import adam
from .basic import momentum
from .basic import rmsprop
from .basic import sgd
from .hypergradient import current_hyperparameters
from .hyperparameter import Hyperparameter
from .record import Tuner
from .record import Update
from .rule import update_rule
from .wrappers import accumulate
from .wrappers import layerwise
from .wrappers import linear_decay
from .wrappers import with_schedule

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
