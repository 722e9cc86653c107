"""Gradient estimators, the probes they send, and what past steps predict of them."""

from .active import ActiveNodePerturbation
from .base import Estimator, ProbeResult
from .control_variates import ControlVariate, RunningMean
from .distributions import ProbeDistribution, gaussian, rademacher, sparse, uniform
from .feedback import Feedback
from .flipout import Flipout
from .gradient import Gradient, knob_gradient, knob_gradients
from .joint_distributions import coordinates, haar, hadamard, sphere
from .node import NodePerturbation
from .schemes import OneSided, Scheme, antithetic, leave_one_out, one_sided, paired_baseline
from .structured_distributions import Blocks, rank_one
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
