"""Local objectives: what each part of a chip is taught by itself, nothing being passed down."""

from .forward_forward import ForwardForward as ForwardForward
from .forward_forward import goodnesses as goodnesses
from .forward_forward import wired as wired
from .goodness import Goodness as Goodness
from .goodness import Hebbian as Hebbian
from .goodness import goodness as goodness
from .greedy import Block as Block
from .greedy import Greedy as Greedy
from .negatives import Hybrids as Hybrids
from .negatives import Negatives as Negatives
from .negatives import WrongLabels as WrongLabels
from .negatives import labelled as labelled
from .negatives import neutral as neutral
from .negatives import normalised as normalised
from .negatives import pattern as pattern
