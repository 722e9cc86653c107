"""Converters between the digital wires and the analog array: finite range, finite bits.

Usual periphery of simulated crossbars: 7 bits in, 9 bits out (8 and 8 also), output range 10 to 20. Guess:
input range, which published set-ups scale for every vector instead.

Law: a value is held to +-range and rounded to the nearest of 2^bits - 1 levels that are symmetric around
zero. Rounding is counted among the noise: without noise, as the exact gradient is taken, only the range
remains, so the gradient is that of a converter with infinitely many bits. Valid for 2 to 16 bits.
"""

from dataclasses import dataclass

from torch import Tensor

from ..device import Device
from ..device import S
from ..randomness import Noise
from .effect import StatelessEffect


@dataclass(frozen=True)
class Converters(StatelessEffect[S]):
    """Any device behind converters. None bits: a range but no steps."""

    device: Device[S]
    input_bits: int | None = 7
    input_range: float = 4.0  # V
    output_bits: int | None = 9
    output_range: float = 20.0  # V

    def __post_init__(self) -> None:
        check_converter("Converters: input", self.input_bits, self.input_range)
        check_converter("Converters: output", self.output_bits, self.output_range)

    def collect(self, cells: S, x: Tensor, noise: Noise) -> Tensor:
        return self.device.collect(cells, converted(x, self.input_bits, self.input_range, noise), noise)

    def sense(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        sensed = self.device.sense(cells, u, noise)
        return converted(sensed, self.output_bits, self.output_range, noise)


def check_converter(name: str, bits: int | None, reach: float) -> None:
    """Raise ValueError for bits or a range that no converter has."""
    if bits is not None and not 2 <= bits <= 16:
        raise ValueError(f"{name} bits are {bits}, valid from 2 to 16 (or None)")
    if not 0 < reach < float("inf"):
        raise ValueError(f"{name} range is {reach}, wanted finite and above 0")


def converted(value: Tensor, bits: int | None, reach: float, noise: Noise) -> Tensor:
    """`value` as a converter of that many bits and that range passes it on."""
    held = value.clamp(-reach, reach)
    if bits is None:
        return held
    step = reach / (2 ** (bits - 1) - 1)
    return noise.round_to_nearest(held / step) * step
