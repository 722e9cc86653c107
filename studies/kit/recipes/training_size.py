"""Sizes of network and training that suit a data set."""

from typing import Any, NamedTuple

from analog import Layer, mlp
from learners.data import Dataset


class TrainingSize(NamedTuple):
    """Sizes that suit a data set; chosen on held-out parts of the training data, never on test data."""

    hidden: int
    batch: int
    probes: int
    epochs: float
    heirs: int
    learning_rate: float


SMALL = TrainingSize(hidden=64, batch=64, probes=4, epochs=45, heirs=16, learning_rate=1e-2)
LARGE = TrainingSize(hidden=256, batch=256, probes=4, epochs=15, heirs=4, learning_rate=6e-3)


def is_large(data: Dataset) -> bool:
    """Whether a data set is large, as MNIST is: of more than 10,000 training examples."""
    return len(data.train.x) > 10_000


def size_overrides(**sizes: Any) -> dict[str, Any]:
    """The sizes that a user asks for, those that are not None.

    Raises:
        ValueError: one is not above 0 and finite.
    """
    overrides = {word: value for word, value in sizes.items() if value is not None}
    for word, value in overrides.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{word} is {value}, wanted a finite number above 0")
    return overrides


def training_size(data: Dataset, **sizes: Any) -> TrainingSize:
    """LARGE for a large data set, else SMALL, but for the sizes that a user asks for (not None).

    Raises:
        ValueError: a size is not above 0 and finite.
    """
    return (LARGE if is_large(data) else SMALL)._replace(**size_overrides(**sizes))


def network(data: Dataset, hidden: int) -> tuple[Layer, ...]:
    """The layers of a chip: a hidden one and a linear read-out."""
    return mlp(data.features, hidden, data.outputs)


def require_examples(flag: str, count: int, data: Dataset) -> None:
    """Refuse to ask for more different training examples than there are.

    Args:
        flag: by which they are asked for, with its study.
        count: of examples.
        data: of which they are to be.

    Raises:
        ValueError: there are fewer.
    """
    if count > len(data.train.x):
        raise ValueError(f"{flag} is {count}; {data.name} has {len(data.train.x)} training examples")
