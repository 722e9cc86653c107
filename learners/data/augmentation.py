"""Augmentation of a batch of images: each is mirrored left to right, or not, and shifted, by lot."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

from ..learner import Batch


def shift_images(
    x: Tensor, image: Sequence[int], pixels: int, generator: Generator, *, outside: float = 0.0
) -> Tensor:
    """Shift each image by up to so many pixels each way, both ways, uniformly drawn.

    Args:
        x: (images, planes * height * width), planes first.
        image: planes, height, width.
        pixels: the largest shift.
        generator: of the shifts.
        outside: what comes in from outside.

    Returns:
        The same shape.
    """
    planes, height, width = image
    framed = pad(x.reshape(-1, planes, height, width), (pixels,) * 4, value=outside)
    down, across = torch.randint(0, 2 * pixels + 1, (2, len(x)), generator=generator, device=generator.device)
    windows = framed.unfold(-2, height, 1).unfold(-2, width, 1)  # (images, planes, shifts, shifts, ...)
    images = torch.arange(len(x), device=x.device)
    return windows[images, :, down.to(x.device), across.to(x.device)].flatten(1)


def flip_images(x: Tensor, image: Sequence[int], generator: Generator) -> Tensor:
    """Mirror each image left to right by the toss of a coin.

    Args:
        x: (images, planes * height * width), planes first.
        image: planes, height, width.
        generator: of the tosses.

    Returns:
        The same shape.
    """
    tossed = torch.randint(0, 2, (len(x), 1), generator=generator, device=generator.device)
    mirrored = x.reshape(len(x), *image).flip(-1).flatten(1)
    return torch.where(tossed.to(x.device, torch.bool), mirrored, x)


def flip_and_shift(batch: Batch, image: Sequence[int], pixels: int, generator: Generator) -> Batch:
    """A batch of images, each mirrored by the toss of a coin and shifted by up to so many pixels.

    Args:
        batch: x (images, planes * height * width), planes first; the target stays.
        image: planes, height, width.
        pixels: the largest shift; what comes in from outside is 0.
        generator: of all that is drawn.
    """
    flipped = flip_images(batch.x, image, generator)
    return batch._replace(x=shift_images(flipped, image, pixels, generator))
