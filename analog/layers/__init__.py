"""Digital wiring around banks of crossbar tiles."""

from .convolution import Sites
from .crossbar import Dense
from .lattice import periodic_lattice
from .mixer import channel_mixing, local_mixer, token_mixing
from .one_hot import OneHot
from .paired import Paired
from .pooling import AveragePooled, MaxPooled
from .preparation import Averaged, Normalized, Preparation, Prepared, prepared
from .recurrence import LastStep, Recurrent, recurrent
from .regular import Convolution
from .wrapped import Wrapped

__all__ = [
    "AveragePooled",
    "Averaged",
    "Convolution",
    "Dense",
    "LastStep",
    "MaxPooled",
    "Normalized",
    "OneHot",
    "Paired",
    "Preparation",
    "Prepared",
    "Recurrent",
    "Sites",
    "Wrapped",
    "channel_mixing",
    "local_mixer",
    "periodic_lattice",
    "prepared",
    "recurrent",
    "token_mixing",
]
