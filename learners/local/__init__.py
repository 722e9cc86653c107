"""Local objectives and local targets: what each part of a chip is taught by itself."""

from .activations import Activation
from .activations import identity
from .activations import relu
from .activations import sigmoid
from .activations import softmax
from .activations import tanh
from .contrastive import InfoNCE
from .contrastive import PatchInfoNCE
from .contrastive import stack_views
from .forward_forward import ForwardForward
from .forward_forward import label_goodness
from .forward_forward import with_normalization
from .goodness import GoodnessLoss
from .goodness import Hebbian
from .goodness import goodness
from .greedy import Block
from .greedy import Greedy
from .groups import PerGroupLoss
from .groups import ReplicatedHeads
from .hybrid_images import HybridImages
from .label_images import embed_label
from .label_images import embed_neutral_label
from .label_images import normalize
from .label_images import readout_features
from .locoprop import LocoProp
from .negatives import Negatives
from .negatives import WrongLabels
from .node_gradients import NodeGradients
from .node_gradients import PerturbedNodeGradients
from .target_propagation import TargetPropagation

__all__ = [
    "Activation",
    "Block",
    "ForwardForward",
    "GoodnessLoss",
    "Greedy",
    "Hebbian",
    "HybridImages",
    "InfoNCE",
    "LocoProp",
    "Negatives",
    "NodeGradients",
    "PatchInfoNCE",
    "PerGroupLoss",
    "PerturbedNodeGradients",
    "ReplicatedHeads",
    "TargetPropagation",
    "WrongLabels",
    "embed_label",
    "embed_neutral_label",
    "goodness",
    "identity",
    "label_goodness",
    "normalize",
    "readout_features",
    "relu",
    "sigmoid",
    "softmax",
    "stack_views",
    "tanh",
    "with_normalization",
]
