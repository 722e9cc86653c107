"""Quantized logits: the teacher's outputs, each rounded to a few bits."""

from dataclasses import dataclass

from torch import Generator, Tensor

from ..distillation_loss import DistillationLoss, TeacherTarget, soften
from .answer_format import check_integer


@dataclass(frozen=True)
class QuantizedLogits:
    """Outputs rounded to b bits each, in equal steps from the likeliest class's down to `span` below it.

    Raises:
        ValueError: `bits_each` or `span` is out of its range.
    """

    bits_each: int = 4
    span: float = 16.0  # V, of the outputs; lower ones are clipped to it
    temperature: float = 4.0  # V, at which the student softens what was sent

    needs_label = False
    draws = False

    def __post_init__(self) -> None:
        check_integer("QuantizedLogits: bits_each", self.bits_each)
        if not 0 < self.span < float("inf"):
            raise ValueError(f"QuantizedLogits: span is {self.span}, wanted a finite number above 0")
        _ = self.loss

    @property
    def loss(self) -> DistillationLoss:
        return DistillationLoss(self.temperature)

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> TeacherTarget:
        del generator  # nothing is drawn
        step = self.span / (2**self.bits_each - 1)
        below = (out - out.amax(-1, keepdim=True)).clamp(min=-self.span)
        return TeacherTarget(soften((below / step).round() * step, self.temperature), label)

    def bits(self, outputs: int) -> int:
        return self.bits_each * outputs
