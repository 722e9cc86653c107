"""The learner of the published tables, and the updates that it descends by."""

from collections.abc import Callable
from functools import partial

from learners import Loss, Update, accumulate, adam, linear_decay, recipes
from learners.data import Dataset, count_steps
from learners.learner import Learner

from .training_size import TrainingSize

WRITE_THRESHOLD = 0.1  # full scale, what drives come to before they are sent, where writes blur


def learned_feedback(
    probes: int, update: Update, size: float = recipes.PROBE_SIZE
) -> Callable[[Loss], Learner]:
    """The recipe `learned_feedback` with so many probes of that size, and an update of its own."""
    return partial(recipes.learned_feedback, probes=probes, update=update, size=size)


def published_learner(data: Dataset, size: TrainingSize) -> Callable[[Loss], Learner]:
    """The learner of the published tables, for a training of such a size."""
    return learned_feedback(size.probes, decaying_adam(data, size.batch, size.epochs, size.learning_rate))


def decaying_adam(data: Dataset, batch: int, epochs: float, learning_rate: float) -> Update:
    """Adam, its learning rate falling linearly to zero over the whole training."""
    return linear_decay(adam(learning_rate), count_steps(data.train, batch, epochs))


def accumulating_adam(data: Dataset, size: TrainingSize) -> Update:
    """The decaying Adam of such a size, its drives owed until a write is worth what it blurs."""
    return accumulate(decaying_adam(data, size.batch, size.epochs, size.learning_rate), WRITE_THRESHOLD)
