"""Simulated analog hardware: devices, layers, chips, and the wires that leave them."""

from . import xray
from .check import check_device
from .chip import Chip
from .contract import ContractError
from .device import Device
from .devices.ideal import Ideal
from .devices.mismatched import Mismatched
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
from .port import BadReading
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
    "BadInput",
    "BadReading",
    "Budget",
    "Chip",
    "ContractError",
    "Costs",
    "Dead",
    "Device",
    "Fabrication",
    "Ideal",
    "Knobs",
    "Layer",
    "Ledger",
    "MeasurementPlan",
    "MeasurementTable",
    "Mismatched",
    "Noise",
    "OverBudget",
    "Port",
    "Probe",
    "Reading",
    "Spec",
    "Tape",
    "budgeted",
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
