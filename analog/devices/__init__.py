"""One technology, one source, one file; `ZOO` has every published device, in each variant of its own."""

from typing import Final

from ..device import Device
from .capacitor import CapacitorCell
from .cmo_hfox_rram import CMOHfOxRRAM
from .constant_step import ConstantStep
from .exponential_rram import ExponentialRRAM
from .hopfield import Hopfield
from .linear_ecram import LinearECRAM
from .milo_rram import MiloRRAM
from .modulators import ModulatorBank
from .pcm import PCM
from .pcm_pair import PCMPair
from .reset_only_rram import ResetOnlyRRAM
from .resistive import Resistive
from .rram_array import RRAMArray
from .soft_bounds_rram import SoftBoundsRRAM
from .sonos import SONOS
from .tabulated import Tabulated
from .tabulation import Tabulation, tabulate_curve, tabulate_steps
from .transistor_network import TransistorNetwork
from .unknown_neurons import UnknownNeurons
from .wan_rram import WanRRAM

ZOO: Final[tuple[Device, ...]] = (  # what tests and studies go through
    SoftBoundsRRAM(),
    ExponentialRRAM(),
    LinearECRAM(),
    LinearECRAM.metal_oxide(),
    CapacitorCell(),
    ConstantStep(),
    RRAMArray(),
    RRAMArray.hfo2(),
    PCMPair(),
    WanRRAM(),
    WanRRAM(fit="cubic"),
    MiloRRAM(),
    CMOHfOxRRAM(),
    CMOHfOxRRAM(acceptance="2%"),
    SONOS(),
    PCM(),
    PCM(fit="joshi"),
    ModulatorBank(),
    UnknownNeurons(),
)

__all__ = [
    "PCM",
    "SONOS",
    "ZOO",
    "CMOHfOxRRAM",
    "CapacitorCell",
    "ConstantStep",
    "ExponentialRRAM",
    "Hopfield",
    "LinearECRAM",
    "MiloRRAM",
    "ModulatorBank",
    "PCMPair",
    "RRAMArray",
    "ResetOnlyRRAM",
    "Resistive",
    "SoftBoundsRRAM",
    "Tabulated",
    "Tabulation",
    "TransistorNetwork",
    "UnknownNeurons",
    "WanRRAM",
    "tabulate_curve",
    "tabulate_steps",
]
