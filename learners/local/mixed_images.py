"""Negative data of self-contrastive forward-forward: the mean of two images, beside each image with itself.

Chen et al., "Self-contrastive forward-forward algorithm" (Nature Communications 16, 5978, 2025,
https://doi.org/10.1038/s41467-025-61037-0). An image laid on itself is real, an image laid on another is a
fake; no labels are used, and a trained network is asked about single images.

Where we differ: there both are set side by side before equal weights, which is a sum; here the mean is taken
digitally, so that inputs stay within their range, and an image laid on itself is the image.
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from analog.port import Port
from analog.spec import Spec

from ..learner import Batch
from .negatives import others_of_batch


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
        return batch.x, (batch.x + others_of_batch(batch.x, generator)) / 2, state
