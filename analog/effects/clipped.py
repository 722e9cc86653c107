"""Amplifiers that saturate. Guess: the limit; every product has its own supply."""

from dataclasses import dataclass

from torch import Tensor

from ..device import Device
from ..device import S
from ..randomness import Noise
from .effect import StatelessEffect


@dataclass(frozen=True)
class Clipped(StatelessEffect[S]):
    """Any device whose amplifiers end at +-limit, noise and all."""

    device: Device[S]
    limit: float = 5.0  # V

    def __post_init__(self) -> None:
        if not 0 < self.limit < float("inf"):
            raise ValueError(f"Clipped: limit is {self.limit} V, wanted finite and above 0")

    def sense(self, cells: S, u: Tensor, noise: Noise) -> Tensor:
        return self.device.sense(cells, u, noise).clamp(-self.limit, self.limit)
