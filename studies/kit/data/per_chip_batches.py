"""Batches for a fleet in which every chip studies a recording of its own."""

from collections.abc import Iterator, Sequence

import torch
from torch import Generator, Tensor

from analog.tree import tree_map
from learners import Batch
from learners.data import take


def per_chip_batches(
    recordings: Sequence[Batch], size: int, steps: int, generator: Generator
) -> Iterator[Batch]:
    """Draw batches for a fleet, every chip's from its own recording, over and over, each time reshuffled.

    Args:
        recordings: one of each chip; of any length, with targets of one structure.
        size: how many examples of a batch.
        steps: how many batches.
        generator: draws the orders.

    Yields:
        x (chips, size, features_in), targets likewise.
    """
    orders = [_extend(torch.empty(0, dtype=torch.int64), r, size, generator) for r in recordings]
    for _ in range(steps):
        batches = [take(r, order[:size]) for r, order in zip(recordings, orders, strict=True)]
        yield tree_map(lambda *of_chips: torch.stack(of_chips), *batches)
        orders = [
            _extend(order[size:], r, size, generator) for order, r in zip(orders, recordings, strict=True)
        ]


def _extend(order: Tensor, recording: Batch, size: int, generator: Generator) -> Tensor:
    """Draw an order on until it lasts for at least a batch."""
    while len(order) < size:
        order = torch.cat((order, torch.randperm(len(recording.x), generator=generator)))
    return order
