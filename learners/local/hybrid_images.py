"""Negative data of forward-forward without labels: hybrids of two images.

G. Hinton, "The forward-forward algorithm: some preliminary investigations" (2022),
https://arxiv.org/abs/2212.13345, section 3.2. A hybrid differs from what is real in the long range, where
only shape can tell.
"""

from dataclasses import dataclass
from math import isqrt

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from analog.port import Port
from analog.spec import Spec

from ..learner import Batch
from .negatives import others_of_batch


@dataclass(frozen=True)
class HybridImages:
    """Fakes are one image inside a mask of large blots and another one outside; no labels are used.

    The mask is white noise blurred `blurs` times by (1/4, 1/2, 1/4) in both directions, then cut at its
    median (the paper: at 1/2), so that small images too get half of either. The other image is another one of
    the batch, at a like distance in its order for all.

    Raises:
        ValueError: `blurs` is no integer of at least 0.
    """

    blurs: int = 6  # Guess: the paper says "repeatedly"

    def __post_init__(self) -> None:
        if isinstance(self.blurs, bool) or not isinstance(self.blurs, int) or self.blurs < 0:
            raise ValueError(f"HybridImages: blurs is {self.blurs!r}, wanted an integer of at least 0")

    def init(self, spec: Spec) -> tuple[()]:
        """No state.

        Raises:
            ValueError: images are not square.
        """
        pixels = spec.layers[0].features_in
        if isqrt(pixels) ** 2 != pixels:
            raise ValueError(f"HybridImages: {pixels} pixels are no square image")
        return ()

    def pair(
        self, port: Port, batch: Batch, state: tuple[()], generator: Generator
    ) -> tuple[Tensor, Tensor, tuple[()]]:
        """Hand on the images, and make each one's hybrid with another of the batch.

        Returns:
            The images and the hybrids, both (batch, features_in), and the state.

        Raises:
            ValueError: there is but one image.
        """
        del port  # the images are all it takes
        other = others_of_batch(batch.x, generator)
        return batch.x, torch.where(self.masks(batch.x, generator), batch.x, other), state

    def masks(self, x: Tensor, generator: Generator) -> Tensor:
        """A mask for each image, (..., batch, pixels) of bool, true for half of the pixels."""
        side = isqrt(x.shape[-1])
        noise = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device).view(-1, side, side)
        for _ in range(2 * self.blurs):  # along lines, along columns
            wide = pad(noise, (1, 1), mode="replicate")
            noise = (wide[..., :-2] / 4 + wide[..., 1:-1] / 2 + wide[..., 2:] / 4).mT
        flat = noise.reshape(x.shape)
        return flat > flat.median(-1, keepdim=True).values
