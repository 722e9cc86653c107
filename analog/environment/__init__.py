"""A chip as an environment of gymnasium, `MortalChip-v0`: any agent may be tried as a learner.

Importing this package registers it, and so does `gymnasium.make("analog.environment:MortalChip-v0")`.
"""

import gymnasium

from .chips import MortalChip as MortalChip
from .chips import MortalChips as MortalChips
from .course import BUDGETS as BUDGETS
from .course import Course as Course
from .course import Task as Task
from .course import xor as xor
from .rack import Rack as Rack

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
