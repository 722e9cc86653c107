"""A chip as an environment of gymnasium, `MortalChip-v0`: any agent may be tried as a learner.

Importing this package registers it, and so does `gymnasium.make("analog.environment:MortalChip-v0")`.
"""

import gymnasium

from .chips import MortalChip
from .chips import MortalChips
from .course import Course
from .course import Task
from .course import xor
from .rack import Rack

NAME = "MortalChip-v0"


def register() -> None:
    """Make the environment known to gymnasium; any number of times."""
    if NAME not in gymnasium.registry:
        gymnasium.register(
            NAME,
            entry_point="analog.environment.chips:MortalChip",
            vector_entry_point="analog.environment.chips:MortalChips",
        )


register()

__all__ = [
    "Course",
    "MortalChip",
    "MortalChips",
    "Rack",
    "Task",
    "xor",
]
