"""What goes from chip to chip in a community, counted in bits on every chip's wires."""

from dataclasses import dataclass
from dataclasses import field

import torch
from torch import Tensor

from learners.learner import Batch

from .answers import code
from .handover import Traffic

PIXEL = 8  # bits of one number of a stimulus that travels


@dataclass
class Mail:
    """What went over each chip's wires to the others: lessons, and bits, stimuli included.

    A lesson is the answer, the label if it travels, and the number of the stimulus. The stimulus itself, 8
    bits a pixel, travels when it is first sent to somebody, who keeps it; a coordinator keeps it too.
    """

    sent: list[Traffic] = field(default_factory=list)  # by each chip: to a coordinator, or to each listener
    received: list[Traffic] = field(default_factory=list)  # by each chip

    @property
    def bits(self) -> list[int]:
        """Through each chip's wires, both ways."""
        return [up.bits + down.bits for up, down in zip(self.sent, self.received, strict=True)]


class Post:
    """Knows who has got which stimulus already, and books what goes from chip to chip."""

    def __init__(self, mail: Mail, shards: Batch, said: int, direct: bool) -> None:
        """
        Args:
            shards: x (chips, examples, features), labels (chips, examples).
            said: bits of an answer, and of a label if it travels.
            direct: from chip to chip; else through a coordinator, who hears everything once.
        """
        chips, count = shards.target.shape
        self._mail, self._direct = mail, direct
        self._lesson = said + code(chips * count)
        self._stimulus = PIXEL * shards.x.shape[-1]
        self._known = torch.zeros((chips + 1, chips, count), dtype=torch.bool)  # by each, and a coordinator
        for side in (mail.sent, mail.received):
            side.extend(Traffic() for _ in range(chips - len(side)))

    def book(self, shown: Tensor, whom: Tensor) -> None:
        """What each chip showed, (chips, shown), was heard by those who listened, (chips, heard)."""
        chips, each = len(shown), torch.arange(len(shown))
        fresh = self._given(each.unsqueeze(-1), whom, shown)  # (chips, heard)
        self._add(self._mail.received, torch.full_like(each, whom.shape[-1]), fresh.sum(-1), shown)
        if self._direct:
            times = torch.bincount(whom.flatten(), minlength=chips)
            new = torch.zeros_like(each).index_add(0, whom.flatten(), fresh.flatten())
        else:
            times = torch.ones_like(each)
            new = self._given(torch.tensor([[chips]]), each.unsqueeze(0), shown)[0]
        self._add(self._mail.sent, times, new, shown)

    def _given(self, to: Tensor, by: Tensor, shown: Tensor) -> Tensor:  # (to, by)
        """How many of the shown stimuli are new to whom they are given; from now on they are known."""
        at = (to.unsqueeze(-1), by.unsqueeze(-1), shown[by])
        new = (~self._known[at]).sum(-1)
        self._known[at] = True
        return new

    def _add(self, side: list[Traffic], times: Tensor, new: Tensor, shown: Tensor) -> None:
        for traffic, heard, stimuli in zip(side, times.tolist(), new.tolist(), strict=True):
            traffic.book(heard * shown.shape[-1], self._lesson)
            traffic.bits += stimuli * self._stimulus
