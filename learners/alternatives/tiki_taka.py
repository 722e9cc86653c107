"""Tiki-Taka 2: gradients are gathered on a second array whose cells forget, and are sent by whole writes.

Gokmen, "Enabling training of neural networks on noisy hardware" (2021),
https://doi.org/10.3389/frai.2021.699148. What the second array shows beside its symmetric point is owed to
the chip: where the reference of a cell is wrong, what is owed grows without end, and the chip with it.

Where we differ: gradients are pulsed as drives and not as outer products of pulse trains; any number of
thresholds may be sent at once; what is sent is all that is forgotten.
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from analog.port import Port

from ..learner import Learner
from ..losses import Loss
from ..measured_feedback import MeasuredFeedback
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update
from .transfer import SCALE, Transfer, TransferState


@dataclass(frozen=True, eq=False)
class TikiTaka(Transfer):
    """A learner that owes the chip what its second array shows beside a reference.

    Arguments as of `Transfer`; what is owed is sent in small parts.
    """

    threshold: float = 0.01
    columns: int = 16

    def signal(
        self, values: Tensor, columns: list[int], state: TransferState, generator: Generator
    ) -> tuple[Tensor, TransferState]:
        """Compare what was read with the reference, which stays as it is.

        Args:
            values: (*fleet, rows, columns), the reading.
            columns: which were read.
            state: before.
            generator: the learner's own.

        Returns:
            (*fleet, rows, columns), and the next state.
        """
        del generator  # nothing is drawn
        return values - state.reference[..., columns], state


def tiki_taka(
    loss: Loss,
    *,
    second: Port,
    learning_rate: float = LEARNING_RATE,
    scale: float = SCALE,
    reference: Tensor | None = None,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Tiki-Taka 2 of gradients that are carried down by measured feedback.

    Args:
        loss: one that knows its gradient.
        second: the wires of the second array.
        learning_rate: of Adam, by which the second array is pulsed, at the beginning.
        scale: of what is read of the second array, how much is owed to the chip.
        reference: (*fleet, rows, cols), what the second array shows at its symmetric points; None: 0.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return TikiTaka(MeasuredFeedback(update, loss), second, scale, reference=reference)

    return with_adam("tiki_taka", loss, learner, learning_rate, update, steps)
