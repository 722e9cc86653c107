"""Codistillation: chips learn from labels of their own, and from what the others answer.

After Anil, Pereyra, Passos, Ormandi, Dahl and Hinton, "Large scale distributed neural network training
through online distillation" (ICLR 2018, https://arxiv.org/abs/1804.03235), where copies of a digital network
on shards of the data learn to predict alike. Where we differ and why: there a copy reads stale weights of its
peers and asks them about its own data. A mortal chip's weights mean nothing elsewhere, so what travels is a
stimulus of the sender's shard with the sender's answer to it, read from the chip as it is in that round.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.port import Port
from analog.tree import tree_map
from learners.learner import Batch, Learner, Step, fit
from learners.losses import CrossEntropy, Loss, known_gradient

from .communication import Accounting, CommunicationLog
from .formats.answer_format import AnswerFormat, check_generator, check_integer, encode_checked, index_bits
from .formats.soft_labels import SoftLabels
from .shards import shard_indices, take_from_shards


@dataclass(frozen=True)
class Codistillation:
    """The settings of codistillation: how each chip learns and whom it hears in every round.

    Raises:
        ValueError: a number is out of its range, or answers weigh in labels that are not sent.
    """

    own_examples: int = 16  # labeled examples of its own shard, that each learns from
    shared_examples: int = 4  # of these, sent to others together with the chip's own answer
    answers: AnswerFormat = SoftLabels()
    peers: int | None = None  # that each chip hears, by lot; None: all others, through a coordinator
    send_labels: bool = False  # senders add their label to every answer, for answers that weigh it in

    def __post_init__(self) -> None:
        check_integer("Codistillation: own_examples", self.own_examples, 1)
        check_integer("Codistillation: shared_examples", self.shared_examples, 0)
        if self.shared_examples > self.own_examples:
            raise ValueError(
                f"Codistillation: shared_examples is {self.shared_examples}, "
                f"wanted at most own_examples, {self.own_examples}"
            )
        if self.answers.needs_label and not self.send_labels:
            raise ValueError(f"Codistillation: {self.answers} weighs in labels, and no label is sent")

    def lessons_per_round(self, chips: int) -> int:
        """The lessons that each of so many chips hears in a round.

        Raises:
            ValueError: more peers than there are others, or none.
        """
        others = chips - 1 if self.peers is None else self.peers
        if self.peers is not None and not 1 <= others <= chips - 1:
            raise ValueError(
                f"Codistillation: peers is {self.peers}, wanted 1 to {chips - 1} of {chips} chips"
            )
        return others * self.shared_examples


class CodistillationTarget(NamedTuple):
    """The targets of a round: labels of a chip's own examples, then the others' answers to theirs."""

    label: Tensor  # (chips, own), int64
    answers: Any  # as the answer format's loss wants it, (chips, lessons, ...)


@dataclass(frozen=True)
class CodistillationLoss(Loss):
    """Cross-entropy to the labels of a chip's own examples, the answer format's loss for the rest."""

    own_examples: int  # the first of a batch
    answer_loss: Loss

    def value(self, out: Tensor, target: CodistillationTarget) -> Tensor:
        own, others = self._split(out)
        of_answers = self.answer_loss.value(others, target.answers)
        return torch.cat((CrossEntropy().value(own, target.label), of_answers), -2)

    def gradient(self, out: Tensor, target: CodistillationTarget) -> Tensor:
        """d value / d out, (chips, own + lessons, classes)."""
        own, others = self._split(out)
        of_answers = known_gradient(self.answer_loss, "CodistillationLoss")(others, target.answers)
        return torch.cat((CrossEntropy().gradient(own, target.label), of_answers), -2)

    def _split(self, out: Tensor) -> tuple[Tensor, Tensor]:
        return out[..., : self.own_examples, :], out[..., self.own_examples :, :]


def codistill(
    port: Port,
    learner: Callable[[Loss], Learner],
    shards: Batch,
    settings: Codistillation,
    rounds: int,
    *,
    order: Generator,
    generator: Generator,
    answer_generator: Generator | None = None,
    log: CommunicationLog | None = None,
) -> Iterator[tuple[Any, Step]]:
    """Let chips, a fleet behind one port, learn in rounds from their labels and from each other's answers.

    Every chip reads its answers to what it shares, then all learn from one batch each: their own examples
    and the lessons they heard. Alone, or when nothing is shared, that is `fit` with the cross-entropy; and
    like there, nothing happens until the steps are iterated.

    Args:
        port: of a fleet with one axis, (chips,).
        learner: makes a learner from a loss.
        shards: x (chips, examples, features), labels (chips, examples): a row of its own for each chip.
        settings: of every round.
        rounds: how many; a step of the learner each.
        order: of the examples, and who hears whom.
        generator: of the learner's probes.
        answer_generator: of answers that are drawn by lot.
        log: where all traffic is booked.

    Raises:
        ValueError: a port without a fleet axis, shards of another form, settings that ask for too much, or
            answers that draw without a generator of theirs.
    """
    check_generator(settings.answers, answer_generator, "codistill")
    chips = _count_chips(port, shards)
    alone = settings.lessons_per_round(chips) == 0
    loss: Loss = CrossEntropy() if alone else CodistillationLoss(settings.own_examples, settings.answers.loss)
    batches = _rounds(
        port, shards, settings, rounds, order, answer_generator, CommunicationLog() if log is None else log
    )
    return fit(learner(loss), port, batches, generator)


def _rounds(
    port: Port,
    shards: Batch,
    settings: Codistillation,
    rounds: int,
    order: Generator,
    answer_generator: Generator | None,
    log: CommunicationLog,
) -> Iterator[Batch]:
    """What every chip learns from, round by round."""
    chips, outputs = _count_chips(port, shards), port.spec.layers[-1].features
    answer_bits = settings.answers.bits(outputs) + settings.send_labels * index_bits(outputs)
    accounting = Accounting(log, shards, answer_bits, direct=settings.peers is not None)
    for indices in shard_indices(shards, settings.own_examples, rounds, order):
        own = take_from_shards(shards, indices)
        if settings.lessons_per_round(chips) == 0:
            yield own
            continue
        senders = _draw_senders(chips, settings.peers, order)
        x, label = own.x[:, : settings.shared_examples], own.target[:, : settings.shared_examples]
        out = port.measure(x).out
        known = label if settings.send_labels else None
        answers = encode_checked(settings.answers, out, known, answer_generator)
        accounting.book(indices[:, : settings.shared_examples], senders)
        deliver = partial(_deliver, senders=senders)
        lessons = tree_map(deliver, answers)
        yield Batch(torch.cat((own.x, deliver(x)), 1), CodistillationTarget(own.target, lessons))


def _draw_senders(chips: int, peers: int | None, generator: Generator) -> Tensor:  # (chips, peers), rising
    """Whom each chip hears in a round."""
    others = torch.stack([torch.cat((torch.arange(i), torch.arange(i + 1, chips))) for i in range(chips)])
    if peers is None or peers == chips - 1:
        return others
    ranks = torch.rand(others.shape, generator=generator).argsort(-1)[:, :peers].sort(-1).values
    return others.gather(1, ranks)


def _deliver(sent: Tensor, senders: Tensor) -> Tensor:
    """What senders (chips, shared, ...) sent, as each receiver has it: (chips, lessons, ...)."""
    return sent[senders].flatten(1, 2)


def _count_chips(port: Port, shards: Batch) -> int:
    """How many chips there are, if there is a shard for each."""
    fleet, x, label = port.spec.fleet, shards.x, shards.target
    if len(fleet) != 1:
        raise ValueError(f"codistill: the port's fleet is {fleet}, wanted one axis, (chips,)")
    fits = isinstance(label, Tensor) and x.ndim == 3 and x.shape[0] == fleet[0]
    if not fits or label.shape != x.shape[:2]:
        came = tuple(label.shape) if isinstance(label, Tensor) else type(label).__name__
        raise ValueError(
            f"codistill: shards are x {tuple(x.shape)} with labels {came}, wanted "
            f"({fleet[0]}, examples, features) with ({fleet[0]}, examples)"
        )
    return fleet[0]
