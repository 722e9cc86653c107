"""Digital wiring around banks of crossbar tiles."""

from .convolution import Sites
from .crossbar import Dense
from .lattice import periodic_lattice
from .mixer import Averaged, Normalized, Prepared, channel_mixing, local_mixer, prepared, token_mixing
from .one_hot import OneHot
from .paired import Paired
from .wrapped import Wrapped

__all__ = [
    "Averaged",
    "Dense",
    "Normalized",
    "OneHot",
    "Paired",
    "Prepared",
    "Sites",
    "Wrapped",
    "channel_mixing",
    "local_mixer",
    "periodic_lattice",
    "prepared",
    "token_mixing",
]
