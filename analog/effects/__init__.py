"""Effects that compose with any device by wrapping it; one effect, one file."""

from .clipped import Clipped as Clipped
from .converters import Converters as Converters
from .differential_pair import DifferentialPair as DifferentialPair
from .effect import Effect as Effect
from .effect import Plain as Plain
from .stuck import Stuck as Stuck
from .temperature import Temperature as Temperature
from .tiled import Tiled as Tiled
from .wafer import Wafer as Wafer
from .wear import Wearing as Wearing
from .wire_drop import WireDrop as WireDrop
