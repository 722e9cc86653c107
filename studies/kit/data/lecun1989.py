"""LeCun's handwritten digits and network of 1989, as Karpathy made them again in 2022 from MNIST.

The images: MNIST drawn at random, resized to 16 x 16 by bilinear interpolation (without antialiasing, as the
source does), values -1..1. The draws come from named streams, so the data are the same on every machine and
under every PYTHONHASHSEED; the source drew after iterating over a set, so its own draw cannot be had again,
and errors of 2,007 images differ from its by luck.

The network: 12 maps of 5 x 5 pixels at every second pixel, with a bias for each unit; 12 maps that each see
8 of those 12; 30 units; 10 outputs. What lies outside an image has the value -1. 9,760 parameters.
"""

from typing import Final

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from analog import Layer, conv2d, dense, stream
from learners import Batch
from learners.data import Dataset

TRAIN_IMAGES: Final = 7_291  # images, as the paper had
MANY_TRAIN_IMAGES: Final = 50_000  # of the source's last rows
TEST_IMAGES: Final = 2_007
SIDE: Final = 16  # pixels
OUTSIDE: Final = -1.0  # value of what lies outside an image
CONNECTED_MAPS: Final = ((0, 1, 2, 3, 4, 5, 6, 7), (4, 5, 6, 7, 8, 9, 10, 11), (0, 1, 2, 3, 8, 9, 10, 11))
PARAMETERS: Final = (1_068, 2_592, 5_790, 310)


def draw_digits(data: Dataset, train: int = TRAIN_IMAGES, test: int = TEST_IMAGES) -> Dataset:
    """Draw so many images of a data set (all of it where it has fewer), as 16 x 16 pixels from -1 to 1.

    A shorter draw is the beginning of a longer one.

    Raises:
        ValueError: the images are not square.
    """
    if min(train, test) < 1:
        raise ValueError(f"lecun: draws at least one image for each half, got {train} and {test}")
    halves = [_draw_half(data, half, count) for half, count in (("train", train), ("test", test))]
    return Dataset.from_batches(f"{data.name}, {SIDE} x {SIDE}", *halves)


def _draw_half(data: Dataset, half: str, count: int) -> Batch:
    batch: Batch = getattr(data, half)
    rows = torch.randperm(len(batch.x), generator=stream(0, "data", "lecun", half))[:count]
    return Batch(shrink(batch.x[rows]), batch.target[rows])


def shrink(x: Tensor) -> Tensor:  # (images, pixels) of 0..1 -> (images, 256) of -1..1
    """Resize square images to 16 x 16 pixels.

    Raises:
        ValueError: they are not square.
    """
    side = round(x.shape[-1] ** 0.5)
    if side * side != x.shape[-1]:
        raise ValueError(f"lecun: wants square images, got {x.shape[-1]} pixels")
    images = (2 * x - 1).unflatten(-1, (1, side, side))
    return interpolate(images, (SIDE, SIDE), mode="bilinear").flatten(1)


def network_layers(linear: bool = True) -> tuple[Layer, ...]:
    """The network as banks of tiles; `linear` says whether its outputs bypass the last neurons."""
    first = conv2d((1, SIDE, SIDE), 12, 5, stride=2, padding=2, padding_value=OUTSIDE, biases="per-site")
    second = conv2d(
        (12, 8, 8),
        12,
        5,
        stride=2,
        padding=2,
        padding_value=OUTSIDE,
        biases="per-site",
        groups=CONNECTED_MAPS,
    )
    return first, second, dense(192, 30), dense(30, 10, linear=linear)
