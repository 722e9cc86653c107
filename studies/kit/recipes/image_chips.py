"""Convolutional chips for small images, pooled and standardized between layers, and their read-outs."""

from dataclasses import dataclass

from analog import Layer, conv2d, dense
from analog.layers import AveragePooled, MaxPooled, Preparation, prepared
from learners.wiring import Standardized

Image = tuple[int, int, int]  # planes, height, width


@dataclass(frozen=True)
class ConvolutionalChip:
    """The wiring of convolutions of 5 x 5, then 3 x 3, each but a first one with strides followed by a pool.

    Features are ordered site by site, but for the image, which comes planes first.

    Args:
        image: planes, height, width.
        channels: of each layer.
        stride: of the first layer; at 1 it is pooled as the others are.
        normalization: what is prepared behind each pool, in the wiring.
    """

    image: Image
    channels: tuple[int, ...]
    stride: int = 2
    normalization: tuple[Preparation, ...] = ()

    def layers(self) -> tuple[Layer, ...]:
        """The convolutions, from the image on."""
        first = conv2d(self.image, self.channels[0], 5, stride=self.stride, padding=2, planes_first=False)
        return first, *(self._layer(at) for at in range(1, len(self.channels)))

    def head(self, at: int, cells: int, classes: int) -> Layer:
        """A linear read-out of a layer's taps, averaged to so many cells a side or more."""
        planes, height, width = self._pooled(at)
        sides = range(1, max(1, min(height, width) // cells) + 1)
        size = max(side for side in sides if height % side == 0 == width % side)
        means = AveragePooled((planes, height, width), size, planes_first=False)
        below = dense(planes * (height // size) * (width // size), classes, linear=True)
        return prepared(below, *self._pool(at), *self.normalization, means)

    def standardized(self) -> tuple[Standardized, ...]:
        """How each layer's taps are standardized, channel by channel."""
        return tuple(map(Standardized, self.channels))

    def maps(self, at: int) -> Image:
        """Channels, height and width of a layer's taps."""
        _, height, width = self._pooled(at - 1) if at else self.image
        stride = 1 if at else self.stride
        return self.channels[at], (height - 1) // stride + 1, (width - 1) // stride + 1

    def _layer(self, at: int) -> Layer:
        below = conv2d(
            self._pooled(at - 1),
            self.channels[at],
            3,
            padding=1,
            planes_first=False,
            image_planes_first=False,
        )
        return prepared(below, *self._pool(at - 1), *self.normalization)

    def pools(self, at: int) -> bool:
        """Whether a layer's taps are pooled: all but a first one's with strides, where squares fill them."""
        _, height, width = self.maps(at)
        return (at > 0 or self.stride == 1) and height % 2 == 0 and width % 2 == 0

    def _pool(self, at: int) -> tuple[Preparation, ...]:
        """What pools a layer's taps."""
        return (MaxPooled(self.maps(at), 2, planes_first=False),) if self.pools(at) else ()

    def _pooled(self, at: int) -> Image:
        """Channels, height and width behind a layer's pool."""
        channels, height, width = self.maps(at)
        size = 2 if self.pools(at) else 1
        return channels, height // size, width // size
