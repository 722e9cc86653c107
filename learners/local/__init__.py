"""Local objectives: what each part of a chip is taught by itself, nothing being passed down."""

from .contrastive import OtherPatches as OtherPatches
from .contrastive import TwoViews as TwoViews
from .contrastive import paired as paired
from .greedy import Block as Block
from .greedy import Greedy as Greedy
