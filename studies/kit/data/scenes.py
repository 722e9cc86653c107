"""Scenes of two pictures, one left of the other: as many classes as there are pairs."""

import torch
from torch import Generator

from learners import Batch
from learners.data import Dataset


def scenes(data: Dataset, train: int, test: int, generator: Generator) -> Dataset:
    """Draw scenes of two pictures each, whose class is the pair of theirs.

    It is the left one's class times the number of classes, plus the right one's class. Scenes to judge by are
    made only of pictures to judge by.

    Args:
        data: pictures (planes, height, width); scenes are twice as wide.
        train, test: how many scenes to learn from and to judge by.
        generator: of the draws, with replacement.

    Raises:
        ValueError: the data are no pictures.
    """
    if len(data.shape) != 3:
        raise ValueError(f"scenes: examples of {data.name} are {data.shape}, wanted (planes, height, width)")
    halves = [_draw(data, *half, generator) for half in ((data.train, train), (data.test, test))]
    made = Dataset.from_batches(f"scenes of two {data.name}", *halves)
    return made._replace(classes=data.classes**2)  # of few scenes, the last pair may not be one


def _draw(data: Dataset, pool: Batch, count: int, generator: Generator) -> Batch:
    left, right = torch.randint(len(pool.x), (2, count), generator=generator)
    x = torch.cat([pool.x[side].unflatten(-1, data.shape) for side in (left, right)], -1)
    return Batch(x, data.classes * pool.target[left] + pool.target[right])
