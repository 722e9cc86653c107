"""Hard labels: only the class that the teacher finds likeliest."""

from dataclasses import dataclass

from torch import Generator, Tensor

from learners.losses import CrossEntropy

from .answer_format import index_bits


@dataclass(frozen=True)
class HardLabels:
    """The likeliest class, learned by cross-entropy; ceil(log2 C) bits."""

    needs_label = False
    draws = False

    @property
    def loss(self) -> CrossEntropy:
        return CrossEntropy()

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        del label, generator  # the teacher's own choice
        return out.argmax(-1)

    def bits(self, outputs: int) -> int:
        return index_bits(outputs)
