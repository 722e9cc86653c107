"""Digital wiring around banks of crossbar tiles."""

from .convolution import Sites, conv2d, patches
from .crossbar import Dense, Layer, dense, grouped, mlp
from .mixer import Averaged, Normalized, Prepared, channel_mixing, local_mixer, prepared, token_mixing

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
