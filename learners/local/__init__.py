"""Local objectives and local targets: what each part of a chip is taught by itself."""

from .greedy import Block as Block
from .greedy import Greedy as Greedy
from .locoprop import LocoProp as LocoProp
from .neurons import Neuron as Neuron
from .neurons import identity as identity
from .neurons import relu as relu
from .neurons import sigmoid as sigmoid
from .neurons import softmax as softmax
from .neurons import tanh as tanh
from .slopes import ByProbes as ByProbes
from .slopes import Slopes as Slopes
from .target_propagation import TargetPropagation as TargetPropagation
