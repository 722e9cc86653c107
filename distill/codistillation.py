"""A community: chips that learn from labels of their own, and from what the others answer.

After codistillation (Anil et al., "Large scale distributed neural network training through online
distillation", ICLR 2018), where copies of a digital network on shards of the data learn to predict alike.
Where we differ and why: there a copy reads stale weights of its peers and asks them about its own data. A
mortal chip's weights mean nothing elsewhere, so what travels is a stimulus of the sender's shard with the
sender's answer to it, read from the chip as it is in that round.
"""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.tree import tree_map
from learners.learner import Batch
from learners.learner import Learner
from learners.learner import Step
from learners.learner import fit
from learners.losses import CrossEntropy
from learners.losses import Loss
from learners.losses import known_gradient

from .answers import Answers
from .answers import Soft
from .answers import code
from .communication import Mail
from .communication import Post


@dataclass(frozen=True)
class Sharing:
    """What the chips of a community do in every round."""

    own: int = 16  # labelled examples of its own shard, that each learns from
    shown: int = 4  # of these, shown to others together with the chip's own answer
    answers: Answers = Soft()
    peers: int | None = None  # whom each chip hears, by lot; None: all others, through a coordinator
    labelled: bool = False  # senders add their label to every answer, for answers that weigh it in

    def __post_init__(self) -> None:
        for name, value, least in (("own", self.own, 1), ("shown", self.shown, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"Sharing: {name} is {value!r}, wanted an integer of at least {least}")
        if self.shown > self.own:
            raise ValueError(f"Sharing: shown is {self.shown}, wanted at most own, {self.own}")

    def heard(self, chips: int) -> int:
        """Lessons that each of so many chips hears in a round.

        Raises:
            ValueError: more peers than there are others, or none.
        """
        others = chips - 1 if self.peers is None else self.peers
        if self.peers is not None and not 1 <= others <= chips - 1:
            raise ValueError(f"Sharing: peers is {self.peers}, wanted 1 to {chips - 1} of {chips} chips")
        return others * self.shown


class Learnt(NamedTuple):
    """The targets of a round: labels of one's own examples, then what others said to theirs."""

    label: Tensor  # (chips, own), int64
    said: Any  # as the answers' loss wants it, (chips, lessons, ...)


@dataclass(frozen=True)
class OwnAndHeard(Loss):
    """Cross-entropy to the label for the first `own` examples of a batch, the answers' loss for the rest."""

    own: int
    heard: Loss

    def value(self, out: Tensor, target: Learnt) -> Tensor:
        mine, theirs = out[..., : self.own, :], out[..., self.own :, :]
        return torch.cat(
            (CrossEntropy().value(mine, target.label), self.heard.value(theirs, target.said)), -2
        )

    def gradient(self, out: Tensor, target: Learnt) -> Tensor:
        mine, theirs = out[..., : self.own, :], out[..., self.own :, :]
        heard = known_gradient(self.heard, "OwnAndHeard")(theirs, target.said)
        return torch.cat((CrossEntropy().gradient(mine, target.label), heard), -2)


def community(
    port: Port,
    learner: Callable[[Loss], Learner[Any]],
    shards: Batch,
    sharing: Sharing,
    rounds: int,
    *,
    order: Generator,
    generator: Generator,
    mail: Mail | None = None,
) -> Iterator[Step]:
    """Chips, a fleet behind one port, learn in rounds from their own labels and from each other's answers.

    Every chip reads its answers to what it shows, then all learn from one batch each: their own examples
    and the lessons they heard. Alone, or when nothing is shown, that is `fit` with the cross-entropy.

    Args:
        shards: x (chips, examples, features), labels (chips, examples): a row of its own for each chip.
        order: of the examples, and who hears whom.
        generator: the learner's probes, and answers that are drawn by lot.
        mail: where all traffic is booked.

    Raises:
        ValueError: a port without a fleet axis, shards of another form, settings that ask for too much.
    """
    chips = _chips(port, shards)
    silent = sharing.heard(chips) == 0
    loss: Loss = CrossEntropy() if silent else OwnAndHeard(sharing.own, sharing.answers.loss)
    batches = _rounds(port, shards, sharing, rounds, order, generator, Mail() if mail is None else mail)
    return fit(learner(loss), port, batches, generator)


def turns(shards: Batch, own: int, rounds: int, order: Generator) -> Iterator[Tensor]:
    """Which examples of its shard each chip takes in each round, (chips, own); all before any comes again."""
    chips, count = shards.target.shape
    if not 1 <= own <= count:
        raise ValueError(f"community: own is {own}, wanted 1 to {count}, the examples of a shard")
    while rounds > 0:
        mixed = torch.rand((chips, count), generator=order).argsort(-1)
        yield from mixed[:, : count - count % own].split(own, -1)[:rounds]
        rounds -= count // own


def taken(shards: Batch, chosen: Tensor) -> Batch:
    """Each chip's chosen examples (chips, own) of its shard."""
    rows = torch.arange(len(chosen)).unsqueeze(-1)
    return Batch(shards.x[rows, chosen], shards.target[rows, chosen])


def _rounds(
    port: Port,
    shards: Batch,
    sharing: Sharing,
    rounds: int,
    order: Generator,
    generator: Generator,
    mail: Mail,
) -> Iterator[Batch]:
    """What every chip learns from, round by round."""
    chips, outputs = _chips(port, shards), port.spec.layers[-1].features
    lesson = sharing.answers.bits(outputs) + sharing.labelled * code(outputs)
    post = Post(mail, shards, lesson, direct=sharing.peers is not None)
    for chosen in turns(shards, sharing.own, rounds, order):
        own = taken(shards, chosen)
        if sharing.heard(chips) == 0:
            yield own
            continue
        whom = _whom(chips, sharing.peers, order)
        shown, label = own.x[:, : sharing.shown], own.target[:, : sharing.shown]
        said = sharing.answers.said(port.measure(shown).out, label if sharing.labelled else None, generator)
        post.book(chosen[:, : sharing.shown], whom)
        heard = partial(_received, whom=whom)
        yield Batch(torch.cat((own.x, heard(shown)), 1), Learnt(own.target, tree_map(heard, said)))


def _received(sent: Tensor, whom: Tensor) -> Tensor:
    """What senders (chips, shown, ...) sent, as each receiver heard it: (chips, lessons, ...)."""
    return sent[whom].flatten(1, 2)


def _whom(chips: int, peers: int | None, order: Generator) -> Tensor:  # (chips, heard), rising
    """Whom each chip hears in a round."""
    others = torch.stack([torch.cat((torch.arange(i), torch.arange(i + 1, chips))) for i in range(chips)])
    if peers is None or peers == chips - 1:
        return others
    lots = torch.rand(others.shape, generator=order).argsort(-1)[:, :peers].sort(-1).values
    return others.gather(1, lots)


def _chips(port: Port, shards: Batch) -> int:
    """How many they are, if there is a shard for each."""
    fleet, x, label = port.spec.fleet, shards.x, shards.target
    if len(fleet) != 1:
        raise ValueError(f"community: the port's fleet is {fleet}, wanted one axis, (chips,)")
    fits = isinstance(label, Tensor) and x.ndim == 3 and x.shape[0] == fleet[0]
    if not fits or label.shape != x.shape[:2]:
        came = tuple(label.shape) if isinstance(label, Tensor) else type(label).__name__
        raise ValueError(
            f"community: shards are x {tuple(x.shape)} with labels {came}, wanted "
            f"({fleet[0]}, examples, features) with ({fleet[0]}, examples)"
        )
    return fleet[0]
