"""What several pupils read side by side, each from a book of its own."""

from collections.abc import Iterator
from collections.abc import Sequence

import torch
from torch import Generator
from torch import Tensor

from distill import TeacherTarget
from learners import Batch


def side_by_side(books: Sequence[Batch], size: int, steps: int, generator: Generator) -> Iterator[Batch]:
    """Batches for a fleet, every chip's from its own book, over and over, a fresh order each time.

    Args:
        books: lessons, of every chip its own; of any length, answers softened.

    Yields:
        x (chips, size, features_in) with answers (chips, size, classes).
    """
    orders = [_on(torch.empty(0, dtype=torch.int64), book, size, generator) for book in books]
    for _ in range(steps):
        chosen = [order[:size] for order in orders]
        x = torch.stack([book.x[own] for book, own in zip(books, chosen, strict=True)])
        soft = torch.stack([book.target.soft[own] for book, own in zip(books, chosen, strict=True)])
        yield Batch(x, TeacherTarget(soft))
        orders = [_on(order[size:], book, size, generator) for order, book in zip(orders, books, strict=True)]


def _on(order: Tensor, book: Batch, size: int, generator: Generator) -> Tensor:
    """An order that goes on for at least a batch."""
    while len(order) < size:
        order = torch.cat((order, torch.randperm(len(book.x), generator=generator)))
    return order
