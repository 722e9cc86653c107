"""Negative data of self-contrastive forward-forward: the mean of two images, beside each image with itself.

Chen et al., "Self-contrastive forward-forward algorithm" (Nature Communications 16, 5978, 2025,
https://doi.org/10.1038/s41467-025-61037-0). An image laid on itself is real, an image laid on another is a
fake; no labels are used, and a trained network is asked about single images.

Where we differ: there both are set side by side before equal weights, which is a sum; here the mean is taken
digitally, so that inputs stay within their range, and an image laid on itself is the image.
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from analog.port import Port
from analog.spec import Spec

from ..learner import Batch


@dataclass(frozen=True)
class MixedImages:
    """Fakes are means of an image and another one of its batch, at a like distance in its order for all."""

    def init(self, spec: Spec) -> tuple[()]:
        """No state."""
        del spec  # whatever the chip
        return ()

    def pair(
        self, port: Port, batch: Batch, state: tuple[()], generator: Generator
    ) -> tuple[Tensor, Tensor, tuple[()]]:
        """Hand on the images, and mix each one with another of the batch.

        Returns:
            The images and the mixtures, both (batch, features_in), and the state.

        Raises:
            ValueError: there is but one image.
        """
        del port  # the images are all it takes
        count = batch.x.shape[-2]
        if count < 2:
            raise ValueError(
                "MixedImages: one image cannot be mixed with another; wanted a batch of at least 2"
            )
        shift = int(torch.randint(1, count, (), generator=generator, device=generator.device))
        return batch.x, (batch.x + batch.x.roll(shift, -2)) / 2, state
