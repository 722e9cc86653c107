"""Sizes of network and training that suit a data set."""

from typing import Any
from typing import NamedTuple

from analog import Layer
from analog import mlp
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


def training_size(data: Dataset, **wanted: Any) -> TrainingSize:
    """SMALL up to 10,000 training examples, LARGE above, with what a user wants otherwise (not None).

    Raises:
        ValueError: what is wanted is not above 0 and finite.
    """
    changes = {word: value for word, value in wanted.items() if value is not None}
    for word, value in changes.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{word} is {value}, wanted a finite number above 0")
    return (SMALL if len(data.train.x) <= 10_000 else LARGE)._replace(**changes)


def network(data: Dataset, hidden: int) -> tuple[Layer, ...]:
    """One hidden layer and a linear read-out."""
    return mlp(data.features, hidden, data.classes)
