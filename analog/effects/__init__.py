"""Effects that compose with any device by wrapping it; one effect, one file."""

from .clipped import Clipped
from .converters import Converters
from .differential_pair import DifferentialPair
from .effect import Effect, StatelessEffect
from .endurance import Endurance
from .ir_drop import IRDrop
from .stuck import Stuck
from .temperature import Temperature
from .tiled import Tiled
from .wafer import Wafer

__all__ = [
    "Clipped",
    "Converters",
    "DifferentialPair",
    "Effect",
    "Endurance",
    "IRDrop",
    "StatelessEffect",
    "Stuck",
    "Temperature",
    "Tiled",
    "Wafer",
]
