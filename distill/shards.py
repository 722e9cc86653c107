"""Shards of a data set: every chip has examples of its own."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from learners.learner import Batch


def shard_indices(shards: Batch, size: int, rounds: int, generator: Generator) -> Iterator[Tensor]:
    """Yield which examples of its shard each chip takes in each round; all before any comes again.

    Yields:
        (chips, size), int64.

    Raises:
        ValueError: if a shard has fewer examples than a round takes.
    """
    chips, count = shards.target.shape
    if not 1 <= size <= count:
        raise ValueError(f"codistill: a round takes {size}, wanted 1 to {count}, the examples of a shard")
    while rounds > 0:
        shuffled = torch.rand((chips, count), generator=generator).argsort(-1)
        yield from shuffled[:, : count - count % size].split(size, -1)[:rounds]
        rounds -= count // size


def take_from_shards(shards: Batch, indices: Tensor) -> Batch:
    """Each chip's examples at some indices (chips, size) of its shard."""
    rows = torch.arange(len(indices)).unsqueeze(-1)
    return Batch(shards.x[rows, indices], shards.target[rows, indices])
