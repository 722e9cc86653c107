"""Words: a caption is a short sequence of words of one vocabulary, each answered as a class would be.

Hinton's talk: a caption tells a student more than a label. The outputs of a chip fall into as many equal
parts as a caption has words, and each part stands for the vocabulary at its place. Words that classes share,
so that a class never shown has a name, are those of Lampert, Nickisch and Harmeling (2009,
https://doi.org/10.1109/CVPR.2009.5206594); the sum over words here is our own.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from learners.losses import Loss, known_gradient

from .answer_format import AnswerFormat, check_integer
from .hard_labels import HardLabels


@dataclass(frozen=True, repr=False)
class WordsLoss(Loss):
    """The loss of a word, summed over the words of a caption; a target has the words as its last batch axis.

    Raises:
        ValueError: there is no word, or its loss knows no gradient, falls into parts or compares examples.
    """

    count: int  # of words
    each: Loss  # of a word; target: (..., batch, words) where classes' is (..., batch)

    def __post_init__(self) -> None:
        check_integer("WordsLoss: count", self.count)
        known_gradient(self.each, "WordsLoss")
        if self.each.parts != 1 or self.each.couples_examples:
            raise ValueError(f"WordsLoss: {self.each!r} falls into parts or compares examples")

    def value(self, out: Tensor, target: Any) -> Tensor:
        return self.each.value(split_words(out, self.count), target).sum(-2)

    def gradient(self, out: Tensor, target: Any) -> Tensor:
        """d value / d out, (..., batch, words x vocabulary)."""
        return known_gradient(self.each, "WordsLoss")(split_words(out, self.count), target).flatten(-2)


@dataclass(frozen=True)
class Words:
    """A caption of `count` words, each of them told in the format that `each` is for classes.

    `Words(2)` tells the likeliest word at each of two places, `Words(2, SampledLabels())` draws them, and
    `Words(2, SoftLabels(10.0))` tells how probable each word is at each place.

    Raises:
        ValueError: there is no word, or a word's format weighs in labels.
    """

    count: int
    each: AnswerFormat = HardLabels()

    needs_label = False

    def __post_init__(self) -> None:
        if self.each.needs_label:
            raise ValueError(f"Words: {self.each} weighs in labels, which words have not")
        _ = self.loss  # refuses settings that make no sense

    @property
    def loss(self) -> WordsLoss:
        return WordsLoss(self.count, self.each.loss)

    @property
    def draws(self) -> bool:
        return self.each.draws

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Any:
        del label  # of classes, not of words
        return self.each.encode(split_words(out, self.count), None, generator)

    def bits(self, outputs: int) -> int:
        return self.count * self.each.bits(outputs // self.count)


def split_words(out: Tensor, count: int) -> Tensor:
    """The outputs (..., words x vocabulary) of each word: (..., words, vocabulary).

    Raises:
        ValueError: they cannot be shared equally among so many words.
    """
    if out.shape[-1] % count:
        raise ValueError(f"{out.shape[-1]} outputs cannot be shared among {count} words")
    return out.unflatten(-1, (count, -1))


def class_scores(out: Tensor, spelling: Tensor) -> Tensor:
    """The log probability, in nats, of each class: that of its words, at their places and apart.

    Args:
        out: (..., words x vocabulary), logits in V.
        spelling: (classes, words), int64, which words each class is called by.

    Returns:
        (..., classes). Sequences that are no class have a share too: probabilities may sum to less than 1.
    """
    words = split_words(out, spelling.shape[-1]).log_softmax(-1)
    places = torch.arange(spelling.shape[-1], device=out.device)
    return words[..., places, spelling.to(out.device)].sum(-1)
