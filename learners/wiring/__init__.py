"""Digital wiring around ports: parts of chips, stacks of them, and what stands between layers."""

from .decorrelation import Decorrelated, decorrelate, decorrelated
from .layer_by_layer import layer_by_layer, with_interlayer
from .readout import DigitalReadout
from .residual import Skip, residual
from .sub_ports import PulseBuffer, stack_ports, sub_port

__all__ = [
    "Decorrelated",
    "DigitalReadout",
    "PulseBuffer",
    "Skip",
    "decorrelate",
    "decorrelated",
    "layer_by_layer",
    "residual",
    "stack_ports",
    "sub_port",
    "with_interlayer",
]
