"""What a teacher can say to a stimulus, what that costs to send, and the loss that learns from it.

Everything is worked out from what the teacher's outputs read, noise and all. Bits are those of a fixed
code: a class among C takes ceil(log2 C), a number 32 unless it is rounded to fewer. Hinton's talk: a label
among 1,024 classes is 10 bits, the teacher's distribution 1,023 numbers.
"""

from dataclasses import dataclass
from typing import Any
from typing import Protocol

import torch
from torch import Generator
from torch import Tensor
from torch.nn.functional import one_hot

from learners.losses import CrossEntropy
from learners.losses import Loss
from learners.losses import SquaredError

from .softening import Answer
from .softening import Matching
from .softening import soften

NUMBER = 32  # bits of a number that is not rounded: single precision


class Answers(Protocol):
    """A way of answering."""

    @property
    def loss(self) -> Loss:
        """What a student makes small, given what was said."""
        ...

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Any:
        """What the teacher's outputs (..., batch, outputs) make it say: a target for `loss`.

        Args:
            label: (..., batch), if anybody knows it.
            generator: for answers that are drawn by lot.
        """
        ...

    def bits(self, outputs: int) -> int:
        """Sent for each lesson, by a teacher of so many outputs."""
        ...


@dataclass(frozen=True)
class Soft:
    """Probabilities of all classes at a temperature (Hinton, Vinyals and Dean 2015); C - 1 numbers.

    Labels are taken to be at hand where the student is; they are not sent.
    """

    temperature: float = 4.0
    soft_weight: float = 1.0  # of T^2 KL(teacher || student), both softened
    hard_weight: float = 0.0  # of the cross-entropy to the label

    def __post_init__(self) -> None:
        _ = self.loss  # refuses settings that make no sense

    @property
    def loss(self) -> Matching:
        return Matching(self.temperature, self.soft_weight, self.hard_weight)

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Answer:
        del generator  # nothing is drawn
        return Answer(soften(out, self.temperature), label)

    def bits(self, outputs: int) -> int:
        return NUMBER * (outputs - 1)


@dataclass(frozen=True)
class Raw:
    """The outputs themselves, matched in squared error; C numbers."""

    @property
    def loss(self) -> SquaredError:
        return SquaredError()

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Tensor:
        del label, generator  # the outputs are all there is
        return out

    def bits(self, outputs: int) -> int:
        return NUMBER * outputs


@dataclass(frozen=True)
class Label:
    """Only the class that the teacher finds likeliest."""

    @property
    def loss(self) -> CrossEntropy:
        return CrossEntropy()

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Tensor:
        del label, generator  # the teacher's own choice
        return out.argmax(-1)

    def bits(self, outputs: int) -> int:
        return code(outputs)


@dataclass(frozen=True)
class Samples:
    """Classes drawn from the teacher's probabilities at a temperature; how often each came is what is sent.

    Its mean over draws is `Soft`; one sample costs a label's bits.
    """

    count: int = 1
    temperature: float = 1.0

    def __post_init__(self) -> None:
        whole("Samples: count", self.count)
        _ = self.loss

    @property
    def loss(self) -> Matching:
        return Matching(self.temperature)

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Answer:
        chances = soften(out, self.temperature)
        drawn = torch.multinomial(chances.flatten(0, -2).cpu(), self.count, True, generator=generator).to(
            out.device
        )
        counted = one_hot(drawn, out.shape[-1]).sum(-2).to(out.dtype) / self.count
        return Answer(counted.reshape(out.shape), label)

    def bits(self, outputs: int) -> int:
        return code(outputs**self.count)


@dataclass(frozen=True)
class Quantised:
    """Outputs rounded to b bits each, in equal steps from the likeliest class's down to `span` below it."""

    bits_each: int = 4
    span: float = 16.0  # of the outputs, in their unit; what lies lower is said to lie there
    temperature: float = 4.0  # at which the student softens what was said

    def __post_init__(self) -> None:
        whole("Quantised: bits_each", self.bits_each)
        if not 0 < self.span < float("inf"):
            raise ValueError(f"Quantised: span is {self.span}, wanted a finite number above 0")
        _ = self.loss

    @property
    def loss(self) -> Matching:
        return Matching(self.temperature)

    def said(self, out: Tensor, label: Tensor | None, generator: Generator) -> Answer:
        del generator  # nothing is drawn
        step = self.span / (2**self.bits_each - 1)
        below = (out - out.amax(-1, keepdim=True)).clamp(min=-self.span)
        return Answer(soften((below / step).round() * step, self.temperature), label)

    def bits(self, outputs: int) -> int:
        return self.bits_each * outputs


def code(choices: int) -> int:
    """Bits that tell one of so many choices: ceil(log2 choices), exactly."""
    return (choices - 1).bit_length()


def whole(name: str, value: object, least: int = 1) -> None:
    """Refuse what is no integer, or too small a one."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}, wanted an integer of at least {least}")
