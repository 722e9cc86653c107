"""Inputs in pairs of opposite sign, for cells that have no sign of their own."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Paired:
    """Activity, an input that is always on, and both with their signs changed, all amplified.

    Conductances are above 0, so a chip of resistors gets what it is to subtract by a wire of its own
    (Kendall et al. 2020, https://arxiv.org/abs/2006.01981).

    Raises:
        ValueError: the gain is not above 0 and finite.
    """

    gain: float = 1.0  # a chip that relaxes attenuates, layer by layer

    def __post_init__(self) -> None:
        if not 0 < self.gain < float("inf"):
            raise ValueError(f"Paired: gain is {self.gain}, wanted a finite number above 0")

    def features_in(self, features: int) -> int:
        """Half of them, less the one that is always on.

        Raises:
            ValueError: they are no pairs.
        """
        if features < 4 or features % 2:
            raise ValueError(
                f"Paired: {features} features are no pairs of an input and one that is always on"
            )
        return features // 2 - 1

    def __call__(self, x: Tensor) -> Tensor:
        one = x.new_ones(()).expand(*x.shape[:-1], 1)
        return torch.cat((x, one, -x, -one), -1) * self.gain

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at the activity, (..., batch, features_in), from that at the pairs."""
        plus, minus = gradient.chunk(2, -1)
        return (plus - minus)[..., : x.shape[-1]] * self.gain

    def lift(self, change: Tensor) -> Tensor:
        """Refuse any change (..., batch, features).

        Raises:
            ValueError: always.
        """
        raise ValueError("Paired: no change of what comes in does that; what is paired changes in pairs")
