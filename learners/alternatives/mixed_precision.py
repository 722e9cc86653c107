"""Mixed precision: drives are summed up digitally, and a cell is pulsed once it is owed a whole write.

Nandakumar et al., "Mixed-precision deep learning based on computational memory" (2020),
https://doi.org/10.3389/fnins.2020.00406: with chi digital and epsilon the granularity of a cell,

    chi <- chi + drive,   p = trunc(chi / epsilon),   the cell is sent p epsilon,   chi <- chi - p epsilon

It is `learners.accumulate` around an update. Where we differ: the backward pass is not by the same array but
by measured feedback, and any update makes the drives, by default Adam.
"""

from ..learner import Learner
from ..losses import Loss
from ..measured_feedback import MeasuredFeedback
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update
from ..updates.wrappers import accumulate

THRESHOLD = 0.1  # full scale; the threshold of the study `zoo`, chosen on held-out digits


def mixed_precision(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    threshold: float = THRESHOLD,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Mixed-precision training by measured feedback, whose drives are owed until they are worth a write.

    Args:
        loss: one that knows its gradient.
        learning_rate: of Adam, at the beginning.
        threshold: full scale, what is owed to a cell before that much is sent.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return MeasuredFeedback(accumulate(update, threshold), loss)

    return with_adam("mixed_precision", loss, learner, learning_rate, update, steps)
