"""The distillation loss: a student matches a teacher's probabilities, both softened at one temperature.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015,
https://arxiv.org/abs/1503.02531): a softmax at temperature T, and a soft term multiplied by T^2 so that its
gradient keeps its size when T changes (section 2). With centered logits z (student) and v (teacher) of C
classes that gradient tends to (z - v) / C (section 2.1).
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from learners.losses import CrossEntropy, Loss


class TeacherTarget(NamedTuple):
    """A teacher's soft targets for a batch of stimuli, and their labels if they are known."""

    soft: Tensor  # (..., batch, classes), probabilities at the lesson's temperature
    label: Tensor | None = None  # (..., batch), int64


def soften(out: Tensor, temperature: float) -> Tensor:
    """The softmax of outputs at a temperature; at an infinite one it is uniform.

    Args:
        out: (..., classes), logits in V.
        temperature: in the outputs' unit, above 0 and finite.

    Returns:
        Probabilities (..., classes).

    Raises:
        ValueError: if the temperature is not a finite number above 0.
    """
    _check_temperature(temperature)
    return (out / temperature).softmax(-1)


@dataclass(frozen=True)
class DistillationLoss(Loss):
    """soft_weight * T^2 * KL(teacher_T || student_T) + hard_weight * cross-entropy, nats per example.

    T^2 scales signal and read noise alike, so on a chip it buys no signal-to-noise.

    Raises:
        ValueError: `temperature` is not above 0, or weights are negative or both 0.
    """

    temperature: float
    soft_weight: float = 1.0
    hard_weight: float = 0.0

    def __post_init__(self) -> None:
        _check_temperature(self.temperature)
        if min(self.soft_weight, self.hard_weight) < 0 or self.soft_weight + self.hard_weight == 0:
            raise ValueError(f"DistillationLoss: weights are at least 0 and not both 0, got {self}")

    def value(self, out: Tensor, target: TeacherTarget) -> Tensor:
        log_student = (out / self.temperature).log_softmax(-1)
        divergence = (target.soft.xlogy(target.soft) - target.soft * log_student).sum(-1, keepdim=True)
        loss = self.soft_weight * self.temperature**2 * divergence
        if self.hard_weight:
            loss = loss + self.hard_weight * CrossEntropy().value(out, self._label(target))
        return loss

    def gradient(self, out: Tensor, target: TeacherTarget) -> Tensor:
        """d value / d out, (..., batch, classes)."""
        gradient = self.soft_weight * self.temperature * (soften(out, self.temperature) - target.soft)
        if self.hard_weight:
            gradient = gradient + self.hard_weight * CrossEntropy().gradient(out, self._label(target))
        return gradient

    def _label(self, target: TeacherTarget) -> Tensor:
        if target.label is None:
            raise ValueError("DistillationLoss: hard_weight is above 0 but the lesson has no label")
        return target.label


def _check_temperature(temperature: float) -> None:
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature is {temperature}, wanted a finite number above 0")
