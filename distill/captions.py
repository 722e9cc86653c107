"""Captions: beside the class, a teacher says which attributes it sees, so that each answer carries more.

Hinton's talk: richer outputs, such as captions, carry more than a label. Here the first C outputs of a chip
stand for classes and the A after them for attributes, each there or not. No paper is followed: the classes
are matched as in Hinton, Vinyals and Dean (2015), the attributes likewise as A answers of two classes each.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.functional import logsigmoid

from learners.losses import CrossEntropy
from learners.losses import Loss

from .answers import NUMBER
from .answers import code
from .answers import whole
from .softening import Answer
from .softening import Matching
from .softening import soften


class Caption(NamedTuple):
    """A class, and which attributes are there."""

    label: Tensor  # (..., batch), int64
    attributes: Tensor  # (..., batch, A): 1 there, 0 not, between: how probably


class Softened(NamedTuple):
    """Probabilities of classes and of attributes, at the lesson's temperature."""

    soft: Tensor  # (..., batch, C)
    attributes: Tensor  # (..., batch, A)


@dataclass(frozen=True)
class Captioned(Loss):
    """Cross-entropy to the class, and `weight` times the binary cross-entropies summed over attributes."""

    classes: int  # C, the first outputs
    weight: float = 0.1  # of each attribute

    def __post_init__(self) -> None:
        _settings(self, self.classes, self.weight)

    def value(self, out: Tensor, target: Caption) -> Tensor:
        named, seen = _parts(out, self.classes, target.attributes)
        wanted = target.attributes.expand(seen.shape)
        told = binary_cross_entropy_with_logits(seen, wanted, reduction="none").sum(-1, keepdim=True)
        return CrossEntropy().value(named, target.label) + self.weight * told

    def gradient(self, out: Tensor, target: Caption) -> Tensor:
        named, seen = _parts(out, self.classes, target.attributes)
        told = self.weight * (seen.sigmoid() - target.attributes)
        return torch.cat((CrossEntropy().gradient(named, target.label), told), -1)


@dataclass(frozen=True)
class CaptionMatching(Loss):
    """T^2 KL of the classes, and `weight` T^2 KL of each attribute, teacher to student, both softened."""

    classes: int  # C, the first outputs
    temperature: float
    weight: float = 0.1  # of each attribute

    def __post_init__(self) -> None:
        _settings(self, self.classes, self.weight)
        Matching(self.temperature)  # refuses one that makes no sense

    def value(self, out: Tensor, target: Softened) -> Tensor:
        named, seen = _parts(out, self.classes, target.attributes)
        p, u = target.attributes, seen / self.temperature
        own = p.xlogy(p) + (1 - p).xlogy(1 - p)
        told = (own - p * logsigmoid(u) - (1 - p) * logsigmoid(-u)).sum(-1, keepdim=True)
        matched = Matching(self.temperature).value(named, Answer(target.soft))
        return matched + self.weight * self.temperature**2 * told

    def gradient(self, out: Tensor, target: Softened) -> Tensor:
        named, seen = _parts(out, self.classes, target.attributes)
        told = (seen / self.temperature).sigmoid() - target.attributes
        matched = Matching(self.temperature).gradient(named, Answer(target.soft))
        return torch.cat((matched, self.weight * self.temperature * told), -1)


@dataclass(frozen=True)
class Captions:
    """Softened probabilities of classes and of attributes, all at one temperature; C - 1 + A numbers."""

    classes: int  # C, the first outputs
    temperature: float = 4.0
    weight: float = 0.1  # of each attribute, for the student

    def __post_init__(self) -> None:
        _ = self.loss  # refuses settings that make no sense

    @property
    def loss(self) -> CaptionMatching:
        return CaptionMatching(self.classes, self.temperature, self.weight)

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Softened:
        del label, generator  # nothing is drawn, and labels are not matched
        named, seen = out[..., : self.classes], out[..., self.classes :]
        return Softened(soften(named, self.temperature), (seen / self.temperature).sigmoid())

    def bits(self, outputs: int) -> int:
        return NUMBER * (outputs - 1)


@dataclass(frozen=True)
class PlainCaptions:
    """The likeliest class, and of each attribute whether it is likelier there than not: one bit each."""

    classes: int  # C, the first outputs
    weight: float = 0.1  # of each attribute, for the student

    def __post_init__(self) -> None:
        _ = self.loss

    @property
    def loss(self) -> Captioned:
        return Captioned(self.classes, self.weight)

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Caption:
        del label, generator  # the teacher's own words
        return Caption(out[..., : self.classes].argmax(-1), (out[..., self.classes :] > 0).to(out.dtype))

    def bits(self, outputs: int) -> int:
        return code(self.classes) + outputs - self.classes


def _parts(out: Tensor, classes: int, attributes: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs of classes and of attributes."""
    wanted = out.shape[-1] - classes
    if attributes.shape[-1] != wanted or attributes.dtype != out.dtype:
        raise ValueError(
            f"captions: attributes are {attributes.dtype} {tuple(attributes.shape)}, wanted {out.dtype} "
            f"(..., {out.shape[-2]}, {wanted}) beside {classes} classes of {out.shape[-1]} outputs"
        )
    return out[..., :classes], out[..., classes:]


def _settings(who: object, classes: int, weight: float) -> None:
    whole(f"{type(who).__name__}: classes", classes, 2)
    if not 0 <= weight < float("inf"):
        raise ValueError(f"{type(who).__name__}: weight is {weight}, wanted a finite number of at least 0")
