"""Local objectives: what each part of a chip is taught by itself, nothing being passed down."""

from .greedy import Block as Block
from .greedy import Greedy as Greedy
from .groups import OwnHeads as OwnHeads
from .groups import ReplicatedHeads as ReplicatedHeads
from .mirrors import Mirrors as Mirrors
