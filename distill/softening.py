"""Softened answers and the loss that matches them.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015): a softmax at temperature
T, and a soft term multiplied by T^2 so that its gradient keeps its size when T changes (section 2). With
centred logits z (student) and v (teacher) of C classes that gradient tends to (z - v) / C (section 2.1).
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from learners.losses import CrossEntropy
from learners.losses import Loss


class Answer(NamedTuple):
    """What a teacher says to a stimulus, and the label if anybody knows it."""

    soft: Tensor  # (..., batch, classes), probabilities at the lesson's temperature
    label: Tensor | None = None  # (..., batch), int64


def soften(out: Tensor, temperature: float) -> Tensor:
    """Softmax of outputs (..., classes) at a temperature; at infinity it is uniform."""
    _positive(temperature)
    return (out / temperature).softmax(-1)


@dataclass(frozen=True)
class Matching(Loss):
    """soft_weight * T^2 * KL(teacher_T || student_T) + hard_weight * cross-entropy, nats per example.

    T^2 scales signal and reading noise alike, so on a chip it buys no signal-to-noise.
    """

    temperature: float
    soft_weight: float = 1.0
    hard_weight: float = 0.0

    def __post_init__(self) -> None:
        _positive(self.temperature)
        if min(self.soft_weight, self.hard_weight) < 0 or self.soft_weight + self.hard_weight == 0:
            raise ValueError(f"Matching: weights are at least 0 and not both 0, got {self}")

    def value(self, out: Tensor, target: Answer) -> Tensor:
        log_student = (out / self.temperature).log_softmax(-1)
        divergence = (target.soft.xlogy(target.soft) - target.soft * log_student).sum(-1, keepdim=True)
        loss = self.soft_weight * self.temperature**2 * divergence
        if self.hard_weight:
            loss = loss + self.hard_weight * CrossEntropy().value(out, self._label(target))
        return loss

    def gradient(self, out: Tensor, target: Answer) -> Tensor:
        slope = self.soft_weight * self.temperature * (soften(out, self.temperature) - target.soft)
        if self.hard_weight:
            slope = slope + self.hard_weight * CrossEntropy().gradient(out, self._label(target))
        return slope

    def _label(self, target: Answer) -> Tensor:
        if target.label is None:
            raise ValueError("Matching: hard_weight is above 0 but the lesson has no label")
        return target.label


def _positive(temperature: float) -> None:
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}, wanted a finite number above 0")
