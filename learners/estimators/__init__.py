"""Gradient estimators, the probes they send, and what past steps predict of them."""

from .active import ActiveNodePerturbation
from .control_variates import RunningMean
from .distributions import ProbeDistribution, sparse, uniform
from .flipout import Flipout
from .gradient import knob_gradient, knob_gradients
from .joint_distributions import coordinates, haar, hadamard, sphere
from .knob_feedback import KnobFeedback
from .schemes import OneSided, Scheme, paired_baseline
from .shared_feedback import SharedFeedback, SiteCells
from .structured_distributions import Blocks, rank_one
from .weight_mirrors import WeightMirrors

__all__ = [
    "ActiveNodePerturbation",
    "Blocks",
    "Flipout",
    "KnobFeedback",
    "OneSided",
    "ProbeDistribution",
    "RunningMean",
    "Scheme",
    "SharedFeedback",
    "SiteCells",
    "WeightMirrors",
    "coordinates",
    "haar",
    "hadamard",
    "knob_gradient",
    "knob_gradients",
    "paired_baseline",
    "rank_one",
    "sparse",
    "sphere",
    "uniform",
]
