"""Trainings that several studies carry out: from labels, within a budget, until death, with pauses."""

from collections.abc import Iterable, Iterator

from torch import Generator

from analog import Chip, Dead, Port
from learners import CrossEntropy, Descent, NodePerturbation, adam, fit, linear_decay
from learners.data import Dataset, batches, draw_batches

from .published_learner import published_learner
from .training_size import TrainingSize


def train_from_labels(
    chip: Chip, data: Dataset, size: TrainingSize, order: Generator, probes: Generator
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
