"""Every published device that is shipped, in each variant of its own: what tests and studies go through."""

from typing import Any
from typing import Final

from ..device import Device
from .capacitor import CapacitorCell
from .cmo_hfox_rram import CMOHfOxRRAM
from .constant_step import ConstantStep
from .exponential_rram import ExponentialRRAM
from .linear_ecram import LinearECRAM
from .milo_rram import MiloRRAM
from .modulators import ModulatorBank
from .pcm import PCM
from .pcm_pair import PCMPair
from .rram_array import RRAMArray
from .soft_bounds_rram import SoftBoundsRRAM
from .sonos import SONOS
from .unknown_neurons import UnknownNeurons
from .wan_rram import WanRRAM

PULSED: Final[tuple[Device[Any], ...]] = (
    SoftBoundsRRAM(),
    ExponentialRRAM(),
    LinearECRAM(),
    LinearECRAM.metal_oxide(),
    CapacitorCell(),
    ConstantStep(),
    RRAMArray(),
    RRAMArray.hfo2(),
)
PROGRAMMED: Final[tuple[Device[Any], ...]] = (
    WanRRAM(),
    WanRRAM(fit="cubic"),
    MiloRRAM(),
    CMOHfOxRRAM(),
    CMOHfOxRRAM(acceptance="2%"),
    SONOS(),
    PCM(),
    PCM(fit="joshi"),
)
ZOO: Final[tuple[Device[Any], ...]] = (*PULSED, PCMPair(), *PROGRAMMED, ModulatorBank(), UnknownNeurons())
