"""Local objectives and local targets: what each part of a chip is taught by itself."""

from .activations import Activation, identity, relu, sigmoid, softmax, tanh
from .class_goodness import ClassGoodness, class_goodness
from .contrastive import InfoNCE, PatchInfoNCE, stack_views
from .coupled import CoupledLearning
from .digital_head import DigitalHead
from .equilibrium import EquilibriumPropagation
from .forward_forward import ForwardForward, label_goodness, with_normalization
from .goodness import GoodnessLoss, Hebbian, goodness
from .greedy import Block, Greedy
from .groups import PerGroupLoss, ReplicatedHeads
from .hybrid_images import HybridImages
from .label_images import embed_label, embed_neutral_label, readout_features
from .locoprop import LocoProp
from .mirrored_feedback import MirroredFeedback
from .mixed_images import MixedImages
from .negatives import Negatives, WrongLabels
from .node_gradients import NodeGradients, PerturbedNodeGradients
from .normalization import Normalization, normalize, standardize, standardized_triangle
from .target_propagation import TargetPropagation
from .tile_mirrors import InputProbes

__all__ = [
    "Activation",
    "Block",
    "ClassGoodness",
    "CoupledLearning",
    "DigitalHead",
    "EquilibriumPropagation",
    "ForwardForward",
    "GoodnessLoss",
    "Greedy",
    "Hebbian",
    "HybridImages",
    "InfoNCE",
    "InputProbes",
    "LocoProp",
    "MirroredFeedback",
    "MixedImages",
    "Negatives",
    "NodeGradients",
    "Normalization",
    "PatchInfoNCE",
    "PerGroupLoss",
    "PerturbedNodeGradients",
    "ReplicatedHeads",
    "TargetPropagation",
    "WrongLabels",
    "class_goodness",
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
    "standardize",
    "standardized_triangle",
    "tanh",
    "with_normalization",
]
