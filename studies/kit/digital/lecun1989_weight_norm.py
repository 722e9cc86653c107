"""LeCun's network of 1989 with normalized weights: each unit learns its weights' direction and length apart.

Salimans and Kingma, "Weight normalization" (2016), https://arxiv.org/abs/1602.07868, equations 2 and 3:
w = g v / |v|, where v runs over the weights into one unit (of a shared kernel: over the kernel). A check that
Karpathy made in 2022 and dropped (https://karpathy.github.io/2022/03/14/lecun1989/). Biases are as they were;
g begins at |v|, so that the network begins as it would without.
"""

from typing import Final

import torch
from torch import Generator, Tensor

from .lecun1989 import Copies, NetworkKind

_NORMALIZED: Final = (0, 2, 4, 6)  # weights among the parts of `Copies.weights`; the others are biases


class WeightNormalized:
    """Copies of the network that learn directions and lengths of weights, with the members of `Copies`.

    knobs: v and biases laid out as the knobs of `Copies`, and then the lengths g; with gradient alike.
    """

    parameters: Final = Copies.parameters + 12 + 12 + 30 + 10
    products: Final = Copies.products  # the weights are multiplied out once, when training is over

    def __init__(
        self, kind: NetworkKind, generators: list[Generator], dtype: torch.dtype = torch.float32
    ) -> None:
        self._copies = Copies(kind, generators, dtype)
        self.loss, self.dropout = kind.loss, kind.dropout
        gains = [self._copies.weights[k].norm(dim=1, keepdim=True) for k in _NORMALIZED]
        self.knobs = torch.cat([self._copies.knobs, *(g.flatten() for g in gains)])
        self.gradient = torch.zeros_like(self.knobs)
        self._plain = len(self._copies.knobs)
        self._directions, self._gains = self._parts(self.knobs, gains)
        self._direction_gradients, self._gain_gradients = self._parts(self.gradient, gains)

    def _parts(self, flat: Tensor, gains: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Views of the weights and the lengths in a vector laid out as the knobs are."""
        weights = self._copies.weights
        plain = flat[: self._plain].split([w.numel() for w in weights])
        lengths = flat[self._plain :].split([g.numel() for g in gains])
        return (
            [plain[k].view_as(weights[k]) for k in _NORMALIZED],
            [part.view_as(gain) for part, gain in zip(lengths, gains, strict=True)],
        )

    def _multiply_out(self) -> list[Tensor]:
        """Give the network its weights; returns |v| of each unit."""
        self._copies.knobs.copy_(self.knobs[: self._plain])
        lengths = [v.norm(dim=1, keepdim=True) for v in self._directions]
        for place, gain, length in zip(_NORMALIZED, self._gains, lengths, strict=True):
            self._copies.weights[place].mul_(gain / length)
        return lengths

    def compute_gradient(self, patches: Tensor, target: Tensor, dropped: Tensor | None = None) -> None:
        """Compute the gradient of the loss of one image for each copy, into `gradient`, as `Copies` does."""
        lengths = self._multiply_out()
        self._copies.compute_gradient(patches, target, dropped)
        self.gradient[: self._plain].copy_(self._copies.gradient)
        for k, length in enumerate(lengths):
            at_weights, unit = self._direction_gradients[k], self._directions[k] / length
            torch.sum(at_weights * unit, 1, keepdim=True, out=self._gain_gradients[k])
            at_weights.addcmul_(unit, self._gain_gradients[k], value=-1).mul_(self._gains[k] / length)

    def prepare(self, images: Tensor) -> Tensor:  # (..., 256) -> (..., 64, 25)
        """What `compute_gradient` and `predict` take of images."""
        return self._copies.prepare(images)

    def predict(self, patches: Tensor) -> Tensor:  # (images, 64, 25) -> (copies, images)
        """The class that every copy names for each image."""
        self._multiply_out()
        return self._copies.predict(patches)
