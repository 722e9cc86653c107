"""What studies train chips with: sizes that suit a data set, and the published learner at these sizes."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from functools import partial
from typing import Any
from typing import NamedTuple

from torch import Generator

from analog import Chip
from analog import Dead
from analog import Knobs
from analog import Layer
from analog import Port
from analog import mlp
from learners import CrossEntropy
from learners import Descent
from learners import Loss
from learners import NodePerturbation
from learners import Update
from learners import accumulate
from learners import adam
from learners import fit
from learners import linear_decay
from learners import recipes
from learners.data import Dataset
from learners.data import batches
from learners.data import count_steps
from learners.data import draw_batches
from learners.learner import Learner


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
WRITE_THRESHOLD = 0.1  # full scale, what drives come to before they are sent, where writes blur


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


def learned_feedback(
    probes: int, update: Update, size: float = recipes.PROBE_SIZE
) -> Callable[[Loss], Learner[Any]]:
    """The recipe `learned_feedback` with so many probes of that size, and an update of its own."""
    return partial(recipes.learned_feedback, probes=probes, update=update, size=size)


def published_learner(data: Dataset, size: TrainingSize) -> Callable[[Loss], Learner[Any]]:
    """The learner of the published tables, for a training of such a size."""
    return learned_feedback(size.probes, decaying_adam(data, size.batch, size.epochs, size.learning_rate))


def decaying_adam(data: Dataset, batch: int, epochs: float, learning_rate: float) -> Update:
    """Adam, its learning rate falling linearly to zero over the whole training."""
    return linear_decay(adam(learning_rate), count_steps(data.train, batch, epochs))


def accumulating_adam(data: Dataset, size: TrainingSize) -> Update:
    """The decaying Adam of such a size, its drives owed until a write is worth what it blurs."""
    return accumulate(decaying_adam(data, size.batch, size.epochs, size.learning_rate), WRITE_THRESHOLD)


def train_from_labels(
    chip: Chip[Any], data: Dataset, size: TrainingSize, order: Generator, probes: Generator
) -> None:
    """Let a chip learn from labels, in place, as teachers do before they teach."""
    learner = published_learner(data, size)(CrossEntropy())
    for _ in fit(learner, chip.port(), batches(data.train, size.batch, size.epochs, order), probes):
        pass


def train_within_budget(
    reads: int,
    port: Port,
    estimator: NodePerturbation,
    data: Dataset,
    size: TrainingSize,
    order: Generator,
    probes: Generator,
) -> int:
    """Train by plain node perturbation with so many reads; how many steps that was.

    The baseline reading of a step is charged as one more probe.
    """
    each = min(size.batch, len(data.train.x)) * (1 + estimator.scheme.reads(estimator.probes))
    count = max(1, reads // each)
    learner = Descent(estimator, linear_decay(adam(size.learning_rate), count), CrossEntropy())
    return sum(1 for _ in fit(learner, port, draw_batches(data.train, size.batch, count, order), probes))


def run_until_death(learning: Iterable[object]) -> str | None:
    """Carry learning out to its end; what was said if the chip died on the way."""
    try:
        for _ in learning:
            pass
    except Dead as end:
        return str(end)
    return None


def log_spaced(learning: Iterator[object], total: int, points: int = 12) -> Iterator[int]:
    """Carry learning out, pausing at about `points` steps, each a like factor after the one before."""
    pauses = {round(total ** (k / points)) for k in range(points)} | {total}
    for number, _ in enumerate(learning, 1):
        if number in pauses:
            yield number


def repeat_knobs(knobs: Knobs, count: int) -> Knobs:
    """The same knobs for each chip of a fleet."""
    return tuple(k.expand(count, *k.shape).clone() for k in knobs)
