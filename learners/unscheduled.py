"""Learners whose learning rate falls over a training, made before anybody knows how long that is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from torch import Generator

from analog.access import Access
from analog.port import Port
from analog.spec import Spec

from .access import needed_access
from .learner import Batch, Learner
from .losses import Loss, require_loss
from .updates.basic import adam
from .updates.record import Update
from .updates.wrappers import linear_decay


@dataclass(frozen=True)
class Unscheduled:
    """A learner whose learning rate falls over a training of a length that is not known yet.

    `train` makes the learner that steps by `for_steps`; to step it otherwise raises.
    """

    name: str
    for_steps: Callable[[int], Learner]

    def __repr__(self) -> str:
        return f"{self.name}(...)"

    def needs(self, spec: Spec) -> Access:
        """The access that the learner needs, however long it learns."""
        return needed_access(self.for_steps(1), spec)

    def init(self, spec: Spec) -> NoReturn:
        """Refuse to begin.

        Raises:
            ValueError: always; the number of steps is not known.
        """
        raise ValueError(
            f"{self.name}: the learning rate falls to zero over the training, whose length is not known; "
            "use `train`, or pass steps= to the recipe"
        )

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> NoReturn:
        """Refuse to step, as `init` does."""
        self.init(port.spec)


def with_adam(
    name: str,
    loss: Loss,
    learner: Callable[[Update], Learner],
    learning_rate: float,
    update: Update | None,
    steps: int | None,
) -> Learner:
    """Make a learner with an update of its own, or with Adam over so many steps, as soon as they are known.

    Args:
        name: of the recipe, for messages.
        loss: that the learner is to descend.
        learner: makes the learner of an update.
        learning_rate: of Adam, at the beginning; it falls to zero linearly.
        update: in place of Adam; None: Adam.
        steps: how long the training is; None where `train` will say.

    Raises:
        TypeError: it is no loss.
    """
    require_loss(loss, name)
    if update is not None:
        return learner(update)

    def for_steps(steps: int) -> Learner:
        return learner(linear_decay(adam(learning_rate), steps))

    return Unscheduled(name, for_steps) if steps is None else for_steps(steps)
