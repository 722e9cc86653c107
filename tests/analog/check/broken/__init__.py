"""Devices that are broken on purpose, each by the law it breaks; every one is found, and blamed for that."""

from .aging import AGINGS
from .bent import Breach
from .corners import CORNERS
from .coupling import BANKS, BATCHES, DECLARED, FLEETS, PROBED
from .noise import NOISES
from .pulses import PULSES
from .state import STATES
from .values import VALUES

BREACHES: dict[str, Breach] = {
    **BATCHES,
    **BANKS,
    **PROBED,
    **FLEETS,
    **DECLARED,
    **NOISES,
    **AGINGS,
    **PULSES,
    **VALUES,
    **STATES,
    **CORNERS,
}
