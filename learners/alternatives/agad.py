"""AGAD, analog gradient accumulation with dynamic reference: a chopped second array that needs no reference.

Rasch, Carta, Fagbohungbe and Gokmen, "Fast and robust analog in-memory deep neural network training" (2024),
https://doi.org/10.1038/s41467-024-51221-z (https://arxiv.org/abs/2303.04721): what a column shows is compared
with the mean of its readings before its sign was last switched, so that symmetric points need not be known.

Where we differ: as `tiki_taka` does. Signs switch after so many readings of a column, as in the paper's
regular form, and the mean weights the last readings of a period more, by their number over `tail`
(`tail_weightening` in aihwkit, whose default it is).
"""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from analog.port import Port

from ..learner import Learner
from ..losses import Loss
from ..measured_feedback import MeasuredFeedback
from ..recipes import LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update
from .transfer import SCALE, Transfer, TransferState

PERIOD = 10  # readings of a column from one switch of its sign to the next
TAIL = 5.0


@dataclass(frozen=True, eq=False)
class AGAD(Transfer):
    """A learner that compares readings of its second array with those before the last switch of a sign.

    Arguments as of `Transfer`, but for these; the reference that is given counts until the first switch.

    Args:
        period: readings of a column from one switch of its sign to the next.
        tail: the mean over a period forgets by tail / (readings so far), where that is below 1.

    Raises:
        ValueError: a setting is out of its range.
    """

    period: int = PERIOD
    tail: float = TAIL

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.period, bool) or not isinstance(self.period, int) or self.period < 1:
            raise ValueError(f"AGAD: period is {self.period!r}, wanted an integer of at least 1")
        if not 1 <= self.tail < float("inf"):
            raise ValueError(f"AGAD: tail is {self.tail}, wanted a finite number of at least 1")

    def signal(
        self, values: Tensor, columns: list[int], state: TransferState, generator: Generator
    ) -> tuple[Tensor, TransferState]:
        """Compare what was read with the reference, by each column's sign; then switch signs that are due.

        Args:
            values: (*fleet, rows, columns), the reading.
            columns: which were read.
            state: before.
            generator: the learner's own.

        Returns:
            (*fleet, rows, columns), and the next state.
        """
        del generator  # signs switch regularly
        signs, before = state.choppers[..., columns], state.reference[..., columns]
        count = state.readings[..., columns] + 1
        mean = torch.lerp(state.mean[..., columns], values, (self.tail / count).clamp(max=1))
        due = count >= self.period

        def put(whole: Tensor, part: Tensor) -> Tensor:
            whole = whole.clone()
            whole[..., columns] = part
            return whole

        return signs * (values - before), state._replace(
            choppers=put(state.choppers, torch.where(due, -signs, signs)),
            reference=put(state.reference, torch.where(due, mean, before)),
            mean=put(state.mean, mean),
            readings=put(state.readings, torch.where(due, 0 * count, count)),
        )


def agad(
    loss: Loss,
    *,
    second: Port,
    learning_rate: float = LEARNING_RATE,
    scale: float = SCALE,
    period: int = PERIOD,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """AGAD of gradients that are carried down by measured feedback; no reference has to be known.

    Arguments as of `tiki_taka`, but for this.

    Args:
        period: readings of a column from one switch of its sign to the next.
    """

    def learner(update: Update) -> Learner:
        return AGAD(MeasuredFeedback(update, loss), second, scale, period=period)

    return with_adam("agad", loss, learner, learning_rate, update, steps)
