"""One technology, one source, one file."""

from .ideal import Ideal as Ideal
from .mismatched import Mismatched as Mismatched
from .soft_bounds_rram import SoftBoundsRRAM as SoftBoundsRRAM
