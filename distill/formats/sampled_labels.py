"""Sampled labels: classes drawn from the teacher's probabilities, whose frequencies stand for them."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from ..distillation_loss import DistillationLoss, TeacherTarget, soften
from .answer_format import check_generator, check_integer, index_bits


@dataclass(frozen=True)
class SampledLabels:
    """Classes drawn from the teacher's probabilities at a temperature; how often each came is what is sent.

    The mean over draws is `SoftLabels`; one sample costs a label's bits.
    """

    count: int = 1
    temperature: float = 1.0

    needs_label = False
    draws = True

    def __post_init__(self) -> None:
        check_integer("SampledLabels: count", self.count)
        _ = self.loss

    @property
    def loss(self) -> DistillationLoss:
        return DistillationLoss(self.temperature)

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> TeacherTarget:
        check_generator(self, generator, "SampledLabels.encode")
        rows = soften(out, self.temperature).flatten(0, -2).cpu()  # (all examples, classes)
        classes = torch.multinomial(rows, self.count, True, generator=generator).to(out.device)
        frequencies = one_hot(classes, out.shape[-1]).sum(-2).to(out.dtype) / self.count
        return TeacherTarget(frequencies.reshape(out.shape), label)

    def bits(self, outputs: int) -> int:
        return index_bits(outputs**self.count)
