"""Gradient estimators, the probes they send, and what past steps predict of them."""

from .active import ActiveNodePerturbation
from .base import Estimator
from .base import ProbeResult
from .control_variates import ControlVariate
from .control_variates import RunningMean
from .distributions import ProbeDistribution
from .distributions import gaussian
from .distributions import rademacher
from .distributions import sparse
from .distributions import uniform
from .feedback import Feedback
from .flipout import Flipout
from .gradient import Gradient
from .gradient import knob_gradient
from .gradient import knob_gradients
from .joint_distributions import coordinates
from .joint_distributions import haar
from .joint_distributions import hadamard
from .joint_distributions import sphere
from .node import NodePerturbation
from .schemes import OneSided
from .schemes import Scheme
from .schemes import antithetic
from .schemes import leave_one_out
from .schemes import one_sided
from .schemes import paired_baseline
from .structured_distributions import Blocks
from .structured_distributions import rank_one
from .weight import WeightPerturbation
from .weight_mirrors import WeightMirrors

__all__ = [
    "ActiveNodePerturbation",
    "Blocks",
    "ControlVariate",
    "Estimator",
    "Feedback",
    "Flipout",
    "Gradient",
    "NodePerturbation",
    "OneSided",
    "ProbeDistribution",
    "ProbeResult",
    "RunningMean",
    "Scheme",
    "WeightMirrors",
    "WeightPerturbation",
    "antithetic",
    "coordinates",
    "gaussian",
    "haar",
    "hadamard",
    "knob_gradient",
    "knob_gradients",
    "leave_one_out",
    "one_sided",
    "paired_baseline",
    "rademacher",
    "rank_one",
    "sparse",
    "sphere",
    "uniform",
]
