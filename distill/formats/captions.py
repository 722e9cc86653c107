"""Captions: beside the class, a teacher says which attributes are there, so that each answer carries more.

Hinton's talk: richer outputs, such as captions, carry more than a label. Here the first C outputs of a chip
stand for classes and the A after them for attributes, each there or not. No paper is followed: the classes
are matched as in Hinton, Vinyals and Dean (2015, https://arxiv.org/abs/1503.02531), the attributes likewise
as A answers of two classes each.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from learners.losses import CrossEntropy, Loss

from ..distillation_loss import DistillationLoss, TeacherTarget, soften
from .answer_format import FLOAT_BITS, check_integer, index_bits


class CaptionTarget(NamedTuple):
    """A class, and which attributes are there."""

    label: Tensor  # (..., batch), int64
    attributes: Tensor  # (..., batch, A): 1 there, 0 not, between: how probably


class SoftCaptionTarget(NamedTuple):
    """Probabilities of classes and of attributes, at the lesson's temperature."""

    soft: Tensor  # (..., batch, C)
    attributes: Tensor  # (..., batch, A)


@dataclass(frozen=True)
class CaptionLoss(Loss):
    """Cross-entropy to the class, and `weight` times the binary cross-entropies summed over attributes."""

    classes: int  # C, the first outputs
    weight: float = 0.1  # of each attribute

    def __post_init__(self) -> None:
        _check_settings(self, self.classes, self.weight)

    def value(self, out: Tensor, target: CaptionTarget) -> Tensor:
        logits, attributes = _split(out, self.classes, target.attributes)
        wanted = target.attributes.expand(attributes.shape)
        entropy = binary_cross_entropy_with_logits(attributes, wanted, reduction="none").sum(-1, keepdim=True)
        return CrossEntropy().value(logits, target.label) + self.weight * entropy

    def gradient(self, out: Tensor, target: CaptionTarget) -> Tensor:
        """d value / d out, (..., batch, C + A)."""
        logits, attributes = _split(out, self.classes, target.attributes)
        of_attributes = self.weight * (attributes.sigmoid() - target.attributes)
        return torch.cat((CrossEntropy().gradient(logits, target.label), of_attributes), -1)


@dataclass(frozen=True)
class CaptionDistillationLoss(Loss):
    """T^2 KL of the classes, and `weight` T^2 KL of each attribute, teacher to student, both softened."""

    classes: int  # C, the first outputs
    temperature: float
    weight: float = 0.1  # of each attribute

    def __post_init__(self) -> None:
        _check_settings(self, self.classes, self.weight)
        DistillationLoss(self.temperature)  # refuses one that makes no sense

    def value(self, out: Tensor, target: SoftCaptionTarget) -> Tensor:
        logits, attributes = _split(out, self.classes, target.attributes)
        p, u = target.attributes, attributes / self.temperature
        negentropy = p.xlogy(p) + (1 - p).xlogy(1 - p)
        divergence = (negentropy - p * logsigmoid(u) - (1 - p) * logsigmoid(-u)).sum(-1, keepdim=True)
        of_classes = DistillationLoss(self.temperature).value(logits, TeacherTarget(target.soft))
        return of_classes + self.weight * self.temperature**2 * divergence

    def gradient(self, out: Tensor, target: SoftCaptionTarget) -> Tensor:
        """d value / d out, (..., batch, C + A)."""
        logits, attributes = _split(out, self.classes, target.attributes)
        of_attributes = (attributes / self.temperature).sigmoid() - target.attributes
        of_classes = DistillationLoss(self.temperature).gradient(logits, TeacherTarget(target.soft))
        return torch.cat((of_classes, self.weight * self.temperature * of_attributes), -1)


@dataclass(frozen=True)
class SoftCaptions:
    """Softened probabilities of classes and of attributes, all at one temperature; C - 1 + A numbers."""

    classes: int  # C, the first outputs
    temperature: float = 4.0
    weight: float = 0.1  # of each attribute, for the student

    needs_label = False
    draws = False

    def __post_init__(self) -> None:
        _ = self.loss  # refuses settings that make no sense

    @property
    def loss(self) -> CaptionDistillationLoss:
        return CaptionDistillationLoss(self.classes, self.temperature, self.weight)

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> SoftCaptionTarget:
        del label, generator  # nothing is drawn, and labels are not matched
        logits, attributes = out[..., : self.classes], out[..., self.classes :]
        return SoftCaptionTarget(soften(logits, self.temperature), (attributes / self.temperature).sigmoid())

    def bits(self, outputs: int) -> int:
        return FLOAT_BITS * (outputs - 1)


@dataclass(frozen=True)
class HardCaptions:
    """The likeliest class, and of each attribute whether it is likelier there than not: one bit each."""

    classes: int  # C, the first outputs
    weight: float = 0.1  # of each attribute, for the student

    needs_label = False
    draws = False

    def __post_init__(self) -> None:
        _ = self.loss

    @property
    def loss(self) -> CaptionLoss:
        return CaptionLoss(self.classes, self.weight)

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> CaptionTarget:
        del label, generator  # the teacher's own choice
        likeliest = out[..., : self.classes].argmax(-1)
        return CaptionTarget(likeliest, (out[..., self.classes :] > 0).to(out.dtype))

    def bits(self, outputs: int) -> int:
        return index_bits(self.classes) + outputs - self.classes


def _split(out: Tensor, classes: int, attributes: Tensor) -> tuple[Tensor, Tensor]:
    """The outputs of classes and those of attributes, which must fit the target's."""
    wanted = out.shape[-1] - classes
    if attributes.shape[-1] != wanted or attributes.dtype != out.dtype:
        raise ValueError(
            f"captions: attributes are {attributes.dtype} {tuple(attributes.shape)}, wanted {out.dtype} "
            f"(..., {out.shape[-2]}, {wanted}) beside {classes} classes of {out.shape[-1]} outputs"
        )
    return out[..., :classes], out[..., classes:]


def _check_settings(part: object, classes: int, weight: float) -> None:
    check_integer(f"{type(part).__name__}: classes", classes, 2)
    if not 0 <= weight < float("inf"):
        raise ValueError(f"{type(part).__name__}: weight is {weight}, wanted a finite number of at least 0")
