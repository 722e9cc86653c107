"""Logits: the teacher's outputs as they are, matched in squared error.

Ba and Caruana, "Do deep nets really need to be deep?" (2014, https://arxiv.org/abs/1312.6184), section 2.2.
"""

from dataclasses import dataclass

from torch import Generator, Tensor

from learners.losses import SquaredError

from .answer_format import FLOAT_BITS


@dataclass(frozen=True)
class Logits:
    """The outputs themselves, matched in squared error; C numbers."""

    needs_label = False
    draws = False

    @property
    def loss(self) -> SquaredError:
        return SquaredError()

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        del label, generator  # the outputs are all there is
        return out

    def bits(self, outputs: int) -> int:
        return FLOAT_BITS * outputs
