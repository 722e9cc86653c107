"""Soft labels: the teacher's probabilities of all classes at a temperature, as 32-bit numbers.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network" (2015,
https://arxiv.org/abs/1503.02531), section 2.
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from ..distillation_loss import DistillationLoss, TeacherTarget, soften
from .answer_format import FLOAT_BITS


@dataclass(frozen=True)
class SoftLabels:
    """Probabilities of all classes at a temperature; C - 1 numbers.

    Labels are taken to be at hand where the student is; they are not sent.
    """

    temperature: float = 4.0
    soft_weight: float = 1.0  # of T^2 KL(teacher || student), both softened
    hard_weight: float = 0.0  # of the cross-entropy to the label

    draws = False

    def __post_init__(self) -> None:
        _ = self.loss  # refuses settings that make no sense

    @property
    def loss(self) -> DistillationLoss:
        return DistillationLoss(self.temperature, self.soft_weight, self.hard_weight)

    @property
    def needs_label(self) -> bool:
        return self.hard_weight > 0

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> TeacherTarget:
        del generator  # nothing is drawn
        return TeacherTarget(soften(out, self.temperature), label)

    def bits(self, outputs: int) -> int:
        return FLOAT_BITS * (outputs - 1)
