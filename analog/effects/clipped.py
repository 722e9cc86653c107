"""Amplifiers that saturate. Guess: the limit; every product has its own supply."""

from dataclasses import dataclass
from math import inf

from torch import Tensor

from ..device import Device, S
from ..randomness import Noise
from ..settings import setting
from .effect import StatelessEffect


@dataclass(frozen=True)
class Clipped(StatelessEffect[S]):
    """Any device whose amplifiers end at +-limit, noise and all."""

    device: Device[S]
    limit: float = setting(
        5.0, "at which the amplifier saturates", unit="V", range=(0, inf), closed="neither"
    )

    def sense(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        return self.device.sense(cells, u, noise).clamp(-self.limit, self.limit)
