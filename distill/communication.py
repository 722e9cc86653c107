"""The communication of chips that codistill, counted in bits on every chip's wires."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from learners.learner import Batch

from .formats.answer_format import index_bits
from .handover import Traffic

PIXEL_BITS = 8  # of one number of a stimulus that travels


@dataclass
class CommunicationLog:
    """The traffic between chips: the lessons and bits that each sent and received, stimuli included.

    A lesson is the answer, the label if it travels, and the number of the stimulus. The stimulus itself, 8
    bits a pixel, travels when it is first sent to somebody, who keeps it; a coordinator keeps it too.
    """

    sent: list[Traffic] = field(default_factory=list)  # by each chip: to a coordinator, or to each listener
    received: list[Traffic] = field(default_factory=list)  # by each chip

    @property
    def bits(self) -> list[int]:
        """Bits through each chip's wires, both ways."""
        return [up.bits + down.bits for up, down in zip(self.sent, self.received, strict=True)]


class Accounting:
    """The books of who has which stimulus already, and of what goes from chip to chip."""

    def __init__(self, log: CommunicationLog, shards: Batch, answer_bits: int, direct: bool) -> None:
        """
        Args:
            log: where everything is added.
            shards: x (chips, examples, features), labels (chips, examples).
            answer_bits: of an answer, and of a label if it travels.
            direct: from chip to chip; else through a coordinator, who receives everything once.
        """
        chips, count = shards.target.shape
        self._log, self._direct = log, direct
        self._lesson_bits = answer_bits + index_bits(chips * count)
        self._stimulus_bits = PIXEL_BITS * shards.x.shape[-1]
        self._known = torch.zeros((chips + 1, chips, count), dtype=torch.bool)  # by each, and a coordinator
        for side in (log.sent, log.received):
            side.extend(Traffic() for _ in range(chips - len(side)))

    def book(self, stimuli: Tensor, senders: Tensor) -> None:
        """Add the traffic of one round.

        Args:
            stimuli: (chips, shared), int64, which examples of its shard each chip sent.
            senders: (chips, peers), int64, from whom each chip received.
        """
        chips, everybody = len(stimuli), torch.arange(len(stimuli))
        new = self._mark_known(everybody.unsqueeze(-1), senders, stimuli)  # (chips, peers)
        times = torch.full_like(everybody, senders.shape[-1])
        self._add(self._log.received, times, new.sum(-1), stimuli)
        if self._direct:
            times = torch.bincount(senders.flatten(), minlength=chips)
            new = torch.zeros_like(everybody).index_add(0, senders.flatten(), new.flatten())
        else:
            times = torch.ones_like(everybody)
            new = self._mark_known(torch.tensor([[chips]]), everybody.unsqueeze(0), stimuli)[0]
        self._add(self._log.sent, times, new, stimuli)

    def _mark_known(self, receivers: Tensor, senders: Tensor, stimuli: Tensor) -> Tensor:
        """How many stimuli of each sender are new to each receiver; from now on they are known."""
        place = (receivers.unsqueeze(-1), senders.unsqueeze(-1), stimuli[senders])
        new = (~self._known[place]).sum(-1)
        self._known[place] = True
        return new

    def _add(self, side: list[Traffic], times: Tensor, new: Tensor, stimuli: Tensor) -> None:
        for traffic, count, fresh in zip(side, times.tolist(), new.tolist(), strict=True):
            traffic.book(count * stimuli.shape[-1], self._lesson_bits)
            traffic.bits += fresh * self._stimulus_bits
