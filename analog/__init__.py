"""Simulated analog hardware: devices, layers, chips, and the wires that leave them."""

from . import calibrate
from . import xray
from .check import check_device
from .chip import Chip
from .contract import ContractError
from .device import Device
from .devices import PCM
from .devices import SONOS
from .devices import CapacitorCell
from .devices import CMOHfOxRRAM
from .devices import ConstantStep
from .devices import ExponentialRRAM
from .devices import Ideal
from .devices import LinearECRAM
from .devices import MiloRRAM
from .devices import Mismatched
from .devices import ModulatorBank
from .devices import PCMPair
from .devices import RRAMArray
from .devices import SoftBoundsRRAM
from .devices import UnknownNeurons
from .devices import WanRRAM
from .effects import Clipped
from .effects import Converters
from .effects import DifferentialPair
from .effects import Endurance
from .effects import IRDrop
from .effects import Stuck
from .effects import Temperature
from .effects import Tiled
from .effects import Wafer
from .io.store import load
from .io.store import save
from .layers.convolution import conv2d
from .layers.convolution import patches
from .layers.crossbar import Layer
from .layers.crossbar import dense
from .layers.crossbar import grouped
from .layers.crossbar import mlp
from .measurement import MeasurementPlan
from .measurement import MeasurementTable
from .port import Dead
from .port import Port
from .port import Probe
from .port import Reading
from .port import checked
from .randomness import Fabrication
from .randomness import Noise
from .settings import setting
from .spec import BadInput
from .spec import Budget
from .spec import Costs
from .spec import Knobs
from .spec import Spec
from .streams import stream
from .wires.budget import OverBudget
from .wires.budget import budgeted
from .wires.metering import Ledger
from .wires.metering import metered
from .wires.tape import Tape
from .wires.tape import replayed
from .wires.tape import taped

__all__ = [
    "PCM",
    "SONOS",
    "BadInput",
    "Budget",
    "CMOHfOxRRAM",
    "CapacitorCell",
    "Chip",
    "Clipped",
    "ConstantStep",
    "ContractError",
    "Converters",
    "Costs",
    "Dead",
    "Device",
    "DifferentialPair",
    "Endurance",
    "ExponentialRRAM",
    "Fabrication",
    "IRDrop",
    "Ideal",
    "Knobs",
    "Layer",
    "Ledger",
    "LinearECRAM",
    "MeasurementPlan",
    "MeasurementTable",
    "MiloRRAM",
    "Mismatched",
    "ModulatorBank",
    "Noise",
    "OverBudget",
    "PCMPair",
    "Port",
    "Probe",
    "RRAMArray",
    "Reading",
    "SoftBoundsRRAM",
    "Spec",
    "Stuck",
    "Tape",
    "Temperature",
    "Tiled",
    "UnknownNeurons",
    "Wafer",
    "WanRRAM",
    "budgeted",
    "calibrate",
    "check_device",
    "checked",
    "conv2d",
    "dense",
    "grouped",
    "load",
    "metered",
    "mlp",
    "patches",
    "replayed",
    "save",
    "setting",
    "stream",
    "taped",
    "xray",
]
