"""Top labels: the likeliest classes with their probabilities, the rest spread evenly over the others."""

from dataclasses import dataclass

from torch import Generator, Tensor

from ..distillation_loss import DistillationLoss, TeacherTarget, soften
from .answer_format import FLOAT_BITS, check_integer, index_bits


@dataclass(frozen=True)
class TopLabels:
    """The `count` likeliest classes at a temperature, each with its probability as a 32-bit number.

    What these leave over is taken to be shared evenly by the other classes, so that of all classes it is
    `SoftLabels`.

    Raises:
        ValueError: `count` is below 1, or the temperature not above 0.
    """

    count: int = 4
    temperature: float = 1.0

    needs_label = False
    draws = False

    def __post_init__(self) -> None:
        check_integer("TopLabels: count", self.count)
        _ = self.loss

    @property
    def loss(self) -> DistillationLoss:
        return DistillationLoss(self.temperature)

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> TeacherTarget:
        del generator  # nothing is drawn
        soft = soften(out, self.temperature)
        count = min(self.count, out.shape[-1])
        best = soft.topk(count, -1)
        others = max(1, out.shape[-1] - count)
        rest = (1 - best.values.sum(-1, keepdim=True)).clamp(min=0) / others
        return TeacherTarget(rest.expand_as(soft).scatter(-1, best.indices, best.values), label)

    def bits(self, outputs: int) -> int:
        return min(self.count, outputs) * (index_bits(outputs) + FLOAT_BITS)
