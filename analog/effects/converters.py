"""Converters between the digital wires and the analog array: finite range, finite bits.

Usual periphery of simulated crossbars: 7 bits in, 9 bits out (8 and 8 also), output range 10 to 20. Guess:
input range, which published set-ups scale for every vector instead.

Law: a value is held to +-range and rounded to the nearest of 2^bits - 1 levels that are symmetric around
zero. Rounding is counted among the noise: without noise, as the exact gradient is taken, only the range
remains, so the gradient is that of a converter with infinitely many bits. Valid for 2 to 16 bits.
"""

from dataclasses import dataclass
from math import inf

from torch import Tensor

from ..device import Device, S
from ..randomness import Noise
from ..settings import setting
from .effect import StatelessEffect


@dataclass(frozen=True)
class Converters(StatelessEffect[S]):
    """Any device behind converters. None bits: a range but no steps."""

    one_way = True

    device: Device[S]
    input_bits: int | None = setting(7, "of the converter before the wires", range=(2, 16))
    input_range: float = setting(
        4.0, "largest input on either side", unit="V", range=(0, inf), closed="neither", fitted=False
    )
    output_bits: int | None = setting(9, "of the converter behind the amplifiers", range=(2, 16))
    output_range: float = setting(
        20.0, "largest output on either side", unit="V", range=(0, inf), closed="neither", fitted=False
    )

    def collect(self, cells: S, x: Tensor, noise: Noise) -> Tensor:
        return self.device.collect(cells, convert(x, self.input_bits, self.input_range, noise), noise)

    def sense(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        sensed = self.device.sense(cells, u, noise)
        return convert(sensed, self.output_bits, self.output_range, noise)


def convert(value: Tensor, bits: int | None, largest: float, noise: Noise) -> Tensor:
    """Pass values of any shape through a converter of -largest to largest; None bits: no steps."""
    clipped = value.clamp(-largest, largest)
    if bits is None:
        return clipped
    step = largest / (2 ** (bits - 1) - 1)
    return noise.round_to_nearest(clipped / step) * step
