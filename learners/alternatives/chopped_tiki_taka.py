"""Chopped Tiki-Taka 2: columns of the second array are written and read with signs that switch by chance.

Rasch, Carta, Fagbohungbe and Gokmen, "Fast and robust analog in-memory deep neural network training" (2024),
https://doi.org/10.1038/s41467-024-51221-z (https://arxiv.org/abs/2303.04721), c-TTv2: what a column shows is
multiplied by the sign by which it was written, so that gradients add up and an offset of the reference,
which has no such sign, cancels over several switches.

Where we differ: as `tiki_taka` does. A column's sign may switch after it was read, with the published
probability (`in_chop_prob` in aihwkit).
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

SWITCHING = 0.1  # probability


@dataclass(frozen=True, eq=False)
class ChoppedTikiTaka(Transfer):
    """A learner that gathers gradients by signs that switch, so that offsets of the reference cancel.

    Arguments as of `Transfer`, but for these.

    Args:
        switching: the probability that a column's sign switches once it was read.

    Raises:
        ValueError: a setting is out of its range.
    """

    switching: float = SWITCHING

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.switching <= 1:
            raise ValueError(f"{type(self).__name__}: switching is {self.switching}, wanted 0 to 1")

    def signal(
        self, values: Tensor, columns: list[int], state: TransferState, generator: Generator
    ) -> tuple[Tensor, TransferState]:
        """Compare what was read with the reference, by each column's sign; then switch signs by chance.

        Args:
            values: (*fleet, rows, columns), the reading.
            columns: which were read.
            state: before.
            generator: the learner's own.

        Returns:
            (*fleet, rows, columns), and the next state.
        """
        signs = state.choppers[..., columns]
        drawn = torch.rand(signs.shape, generator=generator, device=generator.device).to(signs.device)
        choppers = state.choppers.clone()
        choppers[..., columns] = torch.where(drawn < self.switching, -signs, signs)
        return signs * (values - state.reference[..., columns]), state._replace(choppers=choppers)


def chopped_tiki_taka(
    loss: Loss,
    *,
    second: Port,
    learning_rate: float = LEARNING_RATE,
    scale: float = SCALE,
    reference: Tensor | None = None,
    switching: float = SWITCHING,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Chopped Tiki-Taka 2 of gradients that are carried down by measured feedback.

    Arguments as of `tiki_taka`, but for these.

    Args:
        reference: (*fleet, rows, cols), what the second array shows at its symmetric points; None: 0.
        switching: the probability that a column's sign switches once it was read.
    """

    def learner(update: Update) -> Learner:
        inner = MeasuredFeedback(update, loss)
        return ChoppedTikiTaka(inner, second, scale, reference=reference, switching=switching)

    return with_adam("chopped_tiki_taka", loss, learner, learning_rate, update, steps)
