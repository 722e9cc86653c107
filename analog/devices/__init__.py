"""One technology, one source, one file."""

from .capacitor import CapacitorCell
from .cmo_hfox_rram import CMOHfOxRRAM
from .constant_step import ConstantStep
from .exponential_rram import ExponentialRRAM
from .ideal import Ideal
from .linear_ecram import LinearECRAM
from .milo_rram import MiloRRAM
from .mismatched import Mismatched
from .modulators import ModulatorBank
from .pcm import PCM
from .pcm_pair import PCMPair
from .rram_array import RRAMArray
from .soft_bounds_rram import SoftBoundsRRAM
from .sonos import SONOS
from .unknown_neurons import UnknownNeurons
from .wan_rram import WanRRAM
from .zoo import PROGRAMMED
from .zoo import PULSED
from .zoo import ZOO

__all__ = [
    "PCM",
    "PROGRAMMED",
    "PULSED",
    "SONOS",
    "ZOO",
    "CMOHfOxRRAM",
    "CapacitorCell",
    "ConstantStep",
    "ExponentialRRAM",
    "Ideal",
    "LinearECRAM",
    "MiloRRAM",
    "Mismatched",
    "ModulatorBank",
    "PCMPair",
    "RRAMArray",
    "SoftBoundsRRAM",
    "UnknownNeurons",
    "WanRRAM",
]
