"""Digital wiring around banks of crossbar tiles."""

from .convolution import Sites
from .convolution import conv2d
from .convolution import patches
from .crossbar import Dense
from .crossbar import Layer
from .crossbar import dense
from .crossbar import grouped
from .crossbar import mlp
from .mixer import Averaged
from .mixer import Normalized
from .mixer import Prepared
from .mixer import channel_mixing
from .mixer import local_mixer
from .mixer import prepared
from .mixer import token_mixing

__all__ = [
    "Averaged",
    "Dense",
    "Layer",
    "Normalized",
    "Prepared",
    "Sites",
    "channel_mixing",
    "conv2d",
    "dense",
    "grouped",
    "local_mixer",
    "mlp",
    "patches",
    "prepared",
    "token_mixing",
]
