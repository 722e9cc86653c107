"""How much ink lies where: the regions of an image that captions speak of."""

import math

import torch
from torch import Tensor

from learners.data import Dataset


def mean_ink(data: Dataset, across: int = 4) -> Tensor:  # (examples, across^2)
    """The mean ink of each of so many times as many regions of every training image.

    Raises:
        ValueError: the images are no squares of at least that many pixels a side.
    """
    side = math.isqrt(data.features)
    if side * side != data.features or side < across:
        raise ValueError(f"mean_ink: {data.features} pixels are no square of at least {across} x {across}")
    lines = data.train.x.unflatten(-1, (side, side)).tensor_split(across, -2)
    parts = [part for line in lines for part in line.tensor_split(across, -1)]
    return torch.stack([part.mean((-2, -1)) for part in parts], -1)
