"""Batches of examples: shuffled, counted and picked."""

from collections.abc import Iterator

import torch
from torch import Generator
from torch import Tensor

from analog.tree import tree_map

from ..learner import Batch


def batches(data: Batch, size: int, epochs: float, generator: Generator) -> Iterator[Batch]:
    """Shuffled batches, a fresh order each epoch; a fraction of an epoch ends early."""
    left = steps(data, size, epochs)
    count = data.x.shape[0]
    size = min(size, count)
    while left > 0:
        order = torch.randperm(count, generator=generator)
        for chosen in order[: count - count % size].split(size)[:left]:
            yield kept(data, chosen)
        left -= count // size


def drawn(data: Batch, size: int, count: int, generator: Generator) -> Iterator[Batch]:
    """So many shuffled batches, epoch after epoch."""
    return batches(data, size, count / (len(data.x) // min(size, len(data.x))), generator)


def steps(data: Batch, size: int, epochs: float) -> int:
    """How many batches `batches` gives."""
    if size < 1 or not 0 < epochs < float("inf"):
        raise ValueError(
            f"batches: size is at least 1 and epochs above 0 and finite, got {size} and {epochs}"
        )
    count = data.x.shape[0]
    return max(1, round(epochs * (count // min(size, count))))


def kept(pool: Batch, which: Tensor) -> Batch:
    """The chosen ones of a batch, with their targets: a tensor (examples, ...), a tuple of such, or None."""
    return Batch(pool.x[which], tree_map(lambda part: part[which], pool.target))
