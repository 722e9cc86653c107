"""Simulated analog hardware: devices, layers, chips, and the wires that leave them."""

from . import xray
from .certificate.certify import certify
from .certificate.same_chip import same_chip
from .check import check_device
from .chip import Chip
from .contract import ContractError
from .costs import Costs
from .device import Device
from .devices.ideal import Ideal
from .devices.mismatched import Mismatched
from .io.store import load, save
from .layers.convolution import patches
from .layers.crossbar import Layer, dense, grouped, mlp
from .layers.regular import conv2d
from .measurement import MeasurementPlan, MeasurementTable
from .port import BadReading, Dead, Port, Probe, Reading, checked
from .randomness import Fabrication, Noise
from .settings import setting
from .spec import BadInput, Budget, Knobs, Spec
from .streams import stream
from .wires.budget import OverBudget, budgeted
from .wires.metering import Ledger, metered
from .wires.tape import Tape, replayed, taped

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
    "certify",
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
    "same_chip",
    "save",
    "setting",
    "stream",
    "taped",
    "xray",
]
