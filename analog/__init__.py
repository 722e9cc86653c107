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
from .effects import Effect
from .effects import Endurance
from .effects import IRDrop
from .effects import StatelessEffect
from .effects import Stuck
from .effects import Temperature
from .effects import Tiled
from .effects import Wafer
from .io.store import BadFile
from .io.store import load
from .io.store import save
from .layers.crossbar import Layer
from .layers.crossbar import conv2d
from .layers.crossbar import dense
from .layers.crossbar import grouped
from .layers.crossbar import mlp
from .layers.crossbar import patches
from .layers.mixer import Averaged
from .layers.mixer import Normalised
from .layers.mixer import channel_mixing
from .layers.mixer import local_mixer
from .layers.mixer import prepared
from .layers.mixer import token_mixing
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
from .wires.tape import ReplayMismatch
from .wires.tape import Tape
from .wires.tape import replayed
from .wires.tape import taped

__all__ = [
    "PCM",
    "SONOS",
    "Averaged",
    "BadFile",
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
    "Effect",
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
    "Normalised",
    "OverBudget",
    "PCMPair",
    "Port",
    "Probe",
    "RRAMArray",
    "Reading",
    "ReplayMismatch",
    "SoftBoundsRRAM",
    "Spec",
    "StatelessEffect",
    "Stuck",
    "Tape",
    "Temperature",
    "Tiled",
    "UnknownNeurons",
    "Wafer",
    "WanRRAM",
    "budgeted",
    "calibrate",
    "channel_mixing",
    "check_device",
    "checked",
    "conv2d",
    "dense",
    "grouped",
    "load",
    "local_mixer",
    "metered",
    "mlp",
    "patches",
    "prepared",
    "replayed",
    "save",
    "setting",
    "stream",
    "taped",
    "token_mixing",
    "xray",
]
