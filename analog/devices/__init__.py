"""One technology, one source, one file."""

from .capacitor import CapacitorCell as CapacitorCell
from .cmo_hfox_rram import CMOHfOxRRAM as CMOHfOxRRAM
from .constant_step import ConstantStep as ConstantStep
from .exponential_rram import ExponentialRRAM as ExponentialRRAM
from .ideal import Ideal as Ideal
from .linear_ecram import LinearECRAM as LinearECRAM
from .milo_rram import MiloRRAM as MiloRRAM
from .mismatched import Mismatched as Mismatched
from .modulators import ModulatorBank as ModulatorBank
from .pcm import PCM as PCM
from .pcm_pair import PCMPair as PCMPair
from .rram_array import RRAMArray as RRAMArray
from .soft_bounds_rram import SoftBoundsRRAM as SoftBoundsRRAM
from .sonos import SONOS as SONOS
from .unknown_neurons import UnknownNeurons as UnknownNeurons
from .wan_rram import WanRRAM as WanRRAM
