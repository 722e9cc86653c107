"""Local objectives and local targets: what each part of a chip is taught by itself."""

from .activations import Neuron
from .activations import identity
from .activations import relu
from .activations import sigmoid
from .activations import softmax
from .activations import tanh
from .contrastive import OtherPatches
from .contrastive import TwoViews
from .contrastive import paired
from .forward_forward import ForwardForward
from .forward_forward import goodnesses
from .forward_forward import wired
from .goodness import Goodness
from .goodness import Hebbian
from .goodness import goodness
from .greedy import Block
from .greedy import Greedy
from .groups import OwnHeads
from .groups import ReplicatedHeads
from .locoprop import LocoProp
from .negatives import Hybrids
from .negatives import Negatives
from .negatives import WrongLabels
from .negatives import labelled
from .negatives import neutral
from .negatives import normalised
from .negatives import pattern
from .node_gradients import ByProbes
from .node_gradients import Slopes
from .target_propagation import TargetPropagation
from .weight_mirrors import Mirrors

__all__ = [
    "Block",
    "ByProbes",
    "ForwardForward",
    "Goodness",
    "Greedy",
    "Hebbian",
    "Hybrids",
    "LocoProp",
    "Mirrors",
    "Negatives",
    "Neuron",
    "OtherPatches",
    "OwnHeads",
    "ReplicatedHeads",
    "Slopes",
    "TargetPropagation",
    "TwoViews",
    "WrongLabels",
    "goodness",
    "goodnesses",
    "identity",
    "labelled",
    "neutral",
    "normalised",
    "paired",
    "pattern",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
    "wired",
]
