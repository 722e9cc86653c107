"""A chip as an environment of gymnasium, `MortalChip-v0`: any agent may be tried as a learner.

Importing this package registers it, and so does `gymnasium.make("analog.environment:MortalChip-v0")`.
"""

import gymnasium

from .chips import MortalChip, MortalChips
from .settings import EnvSettings, Task, xor

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
    "EnvSettings",
    "MortalChip",
    "MortalChips",
    "Task",
    "xor",
]
