"""Local objectives and local targets: what each part of a chip is taught by itself."""

from .forward_forward import ForwardForward as ForwardForward
from .forward_forward import goodnesses as goodnesses
from .forward_forward import wired as wired
from .goodness import Goodness as Goodness
from .goodness import Hebbian as Hebbian
from .goodness import goodness as goodness
from .greedy import Block as Block
from .greedy import Greedy as Greedy
from .locoprop import LocoProp as LocoProp
from .negatives import Hybrids as Hybrids
from .negatives import Negatives as Negatives
from .negatives import WrongLabels as WrongLabels
from .negatives import labelled as labelled
from .negatives import neutral as neutral
from .negatives import normalised as normalised
from .negatives import pattern as pattern
from .neurons import Neuron as Neuron
from .neurons import identity as identity
from .neurons import relu as relu
from .neurons import sigmoid as sigmoid
from .neurons import softmax as softmax
from .neurons import tanh as tanh
from .slopes import ByProbes as ByProbes
from .slopes import Slopes as Slopes
from .target_propagation import TargetPropagation as TargetPropagation
