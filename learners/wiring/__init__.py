"""Digital wiring around ports: parts of chips, stacks of them, and what stands between layers."""

from .decorrelation import Decorrelated
from .decorrelation import decorrelate
from .decorrelation import decorrelated
from .layer_by_layer import layer_by_layer
from .layer_by_layer import with_interlayer
from .readout import DigitalReadout
from .residual import Skip
from .residual import residual
from .sub_ports import PulseBuffer
from .sub_ports import stack_ports
from .sub_ports import sub_port

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
