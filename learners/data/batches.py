"""Batches of examples: shuffled, counted and picked."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from analog.tree import tree_map

from ..learner import Batch


def batches(data: Batch, size: int, epochs: float, generator: Generator) -> Iterator[Batch]:
    """Shuffled batches, a fresh order each epoch; a fraction of an epoch ends early.

    Args:
        data: x (examples, features).
        size: examples of a batch; those left over at the end of an epoch are left out.
        epochs: how often every example is shown, about.
        generator: of the order.

    Raises:
        ValueError: a size below 1, or epochs that are not above 0 and finite.
    """
    left = count_steps(data, size, epochs)
    count = data.x.shape[0]
    size = min(size, count)
    while left > 0:
        order = torch.randperm(count, generator=generator)
        for which in order[: count - count % size].split(size)[:left]:
            yield take(data, which)
        left -= count // size


def draw_batches(data: Batch, size: int, count: int, generator: Generator) -> Iterator[Batch]:
    """So many shuffled batches, epoch after epoch, each of `size` examples or of all there are."""
    return batches(data, size, count / (len(data.x) // min(size, len(data.x))), generator)


def count_steps(data: Batch, size: int, epochs: float) -> int:
    """How many batches `batches` gives.

    Raises:
        ValueError: a size below 1, or epochs that are not above 0 and finite.
    """
    return count_batches(len(data.x), size, epochs)


def count_batches(count: int, size: int, epochs: float) -> int:
    """How many batches of so many examples there are in so many epochs.

    Args:
        count: of all examples.
        size: of a batch.
        epochs: how often every example is shown, about.

    Raises:
        ValueError: a size below 1, or epochs that are not above 0 and finite.
    """
    if size < 1 or not 0 < epochs < float("inf"):
        raise ValueError(
            f"batches: size is at least 1 and epochs above 0 and finite, got {size} and {epochs}"
        )
    return max(1, round(epochs * (count // min(size, count))))


def take(pool: Batch, which: Tensor) -> Batch:
    """The chosen examples of a batch, with their targets.

    Args:
        pool: its target is a tensor (examples, ...), a tuple of such, or None.
        which: (count,) int64 positions, or (examples,) bool.
    """
    return Batch(pool.x[which], tree_map(lambda part: part[which], pool.target))
