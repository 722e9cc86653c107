"""Where batches are picked from: examples in memory, or the data set of a torch DataLoader."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Generator, Tensor
from torch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

from analog.streams import stream

from ..flattening import as_pair
from ..learner import Batch
from .batches import take
from .examples import as_numbers


class Source(Protocol):
    """Examples by their numbers."""

    @property
    def count(self) -> int:
        """How many examples there are."""
        ...

    @property
    def batch_size(self) -> int | None:
        """How many examples a batch has that the user set; None: not set."""
        ...

    def batches(self, picks: Sequence[Tensor], generator: Generator) -> Iterator[Batch]:
        """Yield a batch for each pick, in order.

        Args:
            picks: (batch,) int64 each, numbers of examples.
            generator: of what loading draws, on the CPU.
        """
        ...


@dataclass(frozen=True)
class InMemory:
    """Examples that lie in memory."""

    examples: Batch

    @property
    def count(self) -> int:
        return len(self.examples.x)

    @property
    def batch_size(self) -> int | None:
        return None

    def batches(self, picks: Sequence[Tensor], generator: Generator) -> Iterator[Batch]:
        """Yield a batch for each pick (batch,), in order."""
        del generator  # nothing is drawn
        return (take(self.examples, which) for which in picks)


@dataclass(frozen=True)
class FromLoader:
    """The examples of a DataLoader, loaded as it loads them, in an order that is not its own."""

    loader: DataLoader[Any]

    @property
    def count(self) -> int:
        return len(self.loader.dataset)  # type: ignore[arg-type]

    @property
    def batch_size(self) -> int | None:
        return self.loader.batch_size

    def batches(self, picks: Sequence[Tensor], generator: Generator) -> Iterator[Batch]:
        """Yield a batch for each pick (batch,), in order; bytes become numbers from 0 to 1."""
        given = self.loader
        loader: DataLoader[Any] = DataLoader(
            given.dataset,
            batch_sampler=[which.tolist() for which in picks],
            collate_fn=given.collate_fn,
            num_workers=given.num_workers,
            pin_memory=given.pin_memory,
            worker_init_fn=given.worker_init_fn,
            generator=generator,
        )
        for pair in loader:
            x, target = as_pair(pair, "data")
            yield Batch(as_numbers(x) if isinstance(x, Tensor) and x.dtype == torch.uint8 else x, target)


def as_source(data: Any, user: str) -> Source:
    """The source of a batch of all examples, or of a DataLoader.

    Args:
        data: a `Batch` or a `torch.utils.data.DataLoader`.
        user: whom messages name.

    Raises:
        TypeError: it is neither.
        ValueError: the loader's order is its own (a sampler, an iterable data set), not one to be drawn.
    """
    if isinstance(data, Batch):
        return InMemory(data)
    if not isinstance(data, DataLoader):
        raise TypeError(f"{user}: got a {type(data).__name__}, wanted a Batch or a torch DataLoader")
    plain = isinstance(data.sampler, SequentialSampler) or (
        isinstance(data.sampler, RandomSampler) and not data.sampler.replacement
    )
    if isinstance(data.dataset, IterableDataset) or data.batch_size is None or not plain:
        raise ValueError(
            f"{user}: draws the order of examples from its seed, and this DataLoader has an order of its own "
            "(a sampler, or an iterable data set); step through it by `fit`"
        )
    return FromLoader(data)


def in_pieces(source: Source, size: int) -> Iterator[Batch]:
    """All examples of a source, in their own order, in batches of so many."""
    return source.batches(torch.arange(source.count).split(size), stream(0, "data", "in pieces"))
