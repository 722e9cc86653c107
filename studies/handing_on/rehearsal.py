"""Rehearsal: heirs told a teacher's answers, and the labels of a few examples that were kept."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Generator, Tensor

from distill import DistillationLoss, SoftLabels, TeacherTarget
from learners import Loss


class RehearsalTarget(NamedTuple):
    """What an heir is told: its teacher's answer, and the label of an example that was kept."""

    answer: TeacherTarget
    label: Tensor  # (batch, classes), one-hot; all zero where nobody knows it


@dataclass(frozen=True)
class RehearsalLoss(Loss):
    """The distillation loss, and on the kept examples the cross-entropy to the label, weighed 1 (Guess)."""

    temperature: float

    def value(self, out: Tensor, target: RehearsalTarget) -> Tensor:
        of_labels = -(target.label * out.log_softmax(-1)).sum(-1, keepdim=True)
        return DistillationLoss(self.temperature).value(out, target.answer) + of_labels

    def gradient(self, out: Tensor, target: RehearsalTarget) -> Tensor:
        """d value / d out, (..., batch, classes)."""
        of_labels = target.label.sum(-1, keepdim=True) * out.softmax(-1) - target.label
        return DistillationLoss(self.temperature).gradient(out, target.answer) + of_labels


@dataclass(frozen=True)
class SoftLabelsWithRehearsal:
    """Soft labels, and beside them the labels of the examples that were kept."""

    temperature: float

    needs_label = True
    draws = False

    @property
    def loss(self) -> RehearsalLoss:
        return RehearsalLoss(self.temperature)

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> RehearsalTarget:
        """The softened outputs (..., stimuli, classes), and the labels beside them.

        Raises:
            ValueError: there are no labels.
        """
        if label is None:
            raise ValueError(
                "SoftLabelsWithRehearsal: wanted labels, one-hot or zero where nobody knows them; got None"
            )
        answer = SoftLabels(self.temperature).encode(out, None, generator)
        return RehearsalTarget(answer, label.expand(out.shape))  # every chip of a fleet hears the same labels

    def bits(self, outputs: int) -> int:
        return SoftLabels(self.temperature).bits(outputs)
