"""Effects that compose with any device by wrapping it; one effect, one file."""

from .clipped import Clipped
from .converters import Converters
from .differential_pair import DifferentialPair
from .effect import Effect
from .effect import Plain
from .endurance import Wearing
from .ir_drop import WireDrop
from .stuck import Stuck
from .temperature import Temperature
from .tiled import Tiled
from .wafer import Wafer

__all__ = [
    "Clipped",
    "Converters",
    "DifferentialPair",
    "Effect",
    "Plain",
    "Stuck",
    "Temperature",
    "Tiled",
    "Wafer",
    "Wearing",
    "WireDrop",
]
