"""Batches for a fleet in which every chip studies a recording of its own."""

from collections.abc import Iterator
from collections.abc import Sequence

import torch
from torch import Generator
from torch import Tensor

from analog.tree import tree_map
from learners import Batch
from learners.data import take


def per_chip_batches(
    recordings: Sequence[Batch], size: int, steps: int, generator: Generator
) -> Iterator[Batch]:
    """Draw batches for a fleet, every chip's from its own recording, over and over, each time reshuffled.

    Args:
        recordings: of every chip its own; of any length, with targets of one structure.
        size: examples of a batch.
        steps: how many batches.
        generator: of the orders.

    Yields:
        x (chips, size, features_in), targets likewise.
    """
    orders = [_extended(torch.empty(0, dtype=torch.int64), r, size, generator) for r in recordings]
    for _ in range(steps):
        rows = [take(r, order[:size]) for r, order in zip(recordings, orders, strict=True)]
        yield tree_map(lambda *parts: torch.stack(parts), *rows)
        orders = [_extended(o[size:], r, size, generator) for o, r in zip(orders, recordings, strict=True)]


def _extended(order: Tensor, recording: Batch, size: int, generator: Generator) -> Tensor:
    """An order that goes on for at least a batch."""
    while len(order) < size:
        order = torch.cat((order, torch.randperm(len(recording.x), generator=generator)))
    return order
