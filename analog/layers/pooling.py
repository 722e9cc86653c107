"""Pooling of images before they drive a layer: the largest or the mean of each square of pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class _Squares:
    """An image in squares of `size` by `size` pixels, each of which becomes one.

    Raises:
        ValueError: a size is below 1, or squares do not fill the image.
    """

    image: tuple[int, int, int]  # planes, height, width, of what comes in
    size: int = 2  # pixels a side
    planes_first: bool = True  # whether features are ordered planes first, or pixels first

    def __post_init__(self) -> None:
        if len(self.image) != 3 or min(*self.image, self.size) < 1:
            raise ValueError(f"{self}: wanted (planes, height, width) and a size, each at least 1")
        if self.image[1] % self.size or self.image[2] % self.size:
            raise ValueError(f"{self}: squares of {self.size} pixels a side do not fill the image")

    def features_in(self, features: int) -> int:
        """As many as there are squares, times the pixels of each.

        Raises:
            ValueError: the image has another number of squares.
        """
        planes, height, width = self.image
        squares = planes * (height // self.size) * (width // self.size)
        if features != squares:
            raise ValueError(f"{self}: gives {squares} features, the layer wants {features}")
        return planes * height * width

    def lift(self, change: Tensor) -> Tensor:
        """The same change (..., batch, features) at all pixels of a square, (..., batch, features_in)."""
        planes, height, width = self.image
        down, across, size = height // self.size, width // self.size, self.size
        if self.planes_first:
            squares = change.reshape(*change.shape[:-1], planes, down, 1, across, 1)
            return squares.expand(*change.shape[:-1], planes, down, size, across, size).flatten(-5)
        squares = change.reshape(*change.shape[:-1], down, 1, across, 1, planes)
        return squares.expand(*change.shape[:-1], down, size, across, size, planes).flatten(-5)

    def _images(self, x: Tensor) -> Tensor:
        """(..., batch, features_in) -> (n, planes, height, width)"""
        planes, height, width = self.image
        if self.planes_first:
            return x.reshape(-1, planes, height, width)
        return x.reshape(-1, height, width, planes).permute(0, 3, 1, 2)

    def _pooled(self, gradient: Tensor) -> Tensor:
        """(..., batch, features) -> (n, planes, height / size, width / size)"""
        planes, height, width = self.image
        down, across = height // self.size, width // self.size
        if self.planes_first:
            return gradient.reshape(-1, planes, down, across)
        return gradient.reshape(-1, down, across, planes).permute(0, 3, 1, 2)

    def _flat(self, images: Tensor, lead: torch.Size) -> Tensor:
        """(n, planes, rows, columns) -> (*lead, features)"""
        ordered = images if self.planes_first else images.permute(0, 2, 3, 1)
        return ordered.reshape(*lead, -1)


@dataclass(frozen=True)
class MaxPooled(_Squares):
    """The largest pixel of each square, plane by plane; a gradient goes to that pixel alone."""

    def __call__(self, x: Tensor) -> Tensor:
        return self._flat(functional.max_pool2d(self._images(x), self.size), x.shape[:-1])

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at x, (..., batch, features_in): at the largest pixel, the first one of equals."""
        images, side = self._images(x), [self.size] * 2
        _, chosen = functional.max_pool2d(images, self.size, return_indices=True)
        found = torch.ops.aten.max_pool2d_with_indices_backward(
            self._pooled(gradient), images, side, side, [0, 0], [1, 1], False, chosen
        )
        return self._flat(found, x.shape[:-1])


@dataclass(frozen=True)
class AveragePooled(_Squares):
    """The mean over each square, plane by plane."""

    def __call__(self, x: Tensor) -> Tensor:
        return self._flat(functional.avg_pool2d(self._images(x), self.size), x.shape[:-1])

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at x, (..., batch, features_in): every pixel of a square gets its share."""
        del x  # the mean is linear
        return self.lift(gradient / self.size**2)
