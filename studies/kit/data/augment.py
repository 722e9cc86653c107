"""Views of an image: the same image shifted, turned, sheared and scaled a little; no label is needed."""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample


class ViewRanges(NamedTuple):
    """How far views may be from the image, each way, uniformly drawn."""

    shift: float = 0.1  # of the image's side
    turn: float = 20.0  # degrees
    scale: float = 0.2  # of the size
    shear: float = 0.2


def random_view(x: Tensor, ranges: ViewRanges, generator: Generator) -> Tensor:  # (images, pixels)
    """One view of each square image (images, pixels), independently drawn.

    Raises:
        ValueError: the images are not square.
    """
    a, b, c, d, e = torch.rand(5, len(x), generator=generator, dtype=x.dtype) * 2 - 1
    turn = ranges.turn * math.pi / 180 * a
    return warp(x, turn, 1 + ranges.scale * b, ranges.shear * c, ranges.shift * torch.stack([d, e], -1))


def warp(x: Tensor, turn: Tensor, scale: Tensor, shear: Tensor, shift: Tensor) -> Tensor:
    """Square images (images, pixels) with their ink moved; what comes in from outside is 0.

    Args:
        turn: (images,), radians.
        scale: (images,), of what is seen: above 1 the image looks smaller.
        shear: (images,), of the sides against each other.
        shift: (images, 2), of what is seen, rightwards and downwards, in sides.

    Raises:
        ValueError: the images are not square.
    """
    side = math.isqrt(x.shape[-1])
    if side * side != x.shape[-1]:
        raise ValueError(f"views: {x.shape[-1]} pixels are no square image")
    along, across = turn.cos() * scale, turn.sin() * scale
    right = torch.stack([along, shear - across, 2 * shift[:, 0]], -1)
    down = torch.stack([across, along, 2 * shift[:, 1]], -1)
    size = [len(x), 1, side, side]
    grid = affine_grid(torch.stack([right, down], 1), size, align_corners=False)
    return grid_sample(x.view(size), grid, align_corners=False).flatten(1)
