"""The answer format: how a teacher's outputs are sent, what that costs, and the loss that learns from it.

Everything is worked out from what the teacher's outputs read, noise and all. Bits are those of a fixed
code: a class among C takes ceil(log2 C), a number 32 unless it is rounded to fewer. Hinton's talk: a label
among 1,024 classes is 10 bits, the teacher's distribution 1,023 numbers.
"""

from typing import Any, Protocol

import torch
from torch import Generator, Tensor

from analog.tree import tree_leaves
from learners.losses import Loss

FLOAT_BITS = 32  # of a number that is not rounded: single precision


class AnswerFormat(Protocol):
    """The form in which a teacher answers a stimulus."""

    @property
    def loss(self) -> Loss:
        """The loss that a student minimizes, given the encoded targets."""
        ...

    @property
    def needs_label(self) -> bool:
        """Whether `loss` weighs in the stimulus's label, so that stimuli without one will not do."""
        ...

    @property
    def draws(self) -> bool:
        """Whether `encode` draws by lot, so that it needs a generator of its own."""
        ...

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Any:
        """Turn a teacher's outputs into targets for `loss`.

        Args:
            out: (..., batch, outputs), what was read of the teacher, in V.
            label: (..., batch), int64, or None where nobody knows it.
            generator: of a format that draws; None for others.

        Returns:
            A tensor whose leading axes are those of `out`, or a NamedTuple of such tensors and Nones.
        """
        ...

    def bits(self, outputs: int) -> int:
        """The bits that each lesson takes, from a teacher of so many outputs."""
        ...


def check_generator(answers: AnswerFormat, generator: Generator | None, user: str) -> None:
    """Refuse a format that draws without a generator of its own.

    Args:
        user: who asks, as the message says it.

    Raises:
        ValueError: if that is so.
    """
    if answers.draws and generator is None:
        raise ValueError(f"{user}: {answers} draws by lot, wanted a generator for it")


def index_bits(choices: int) -> int:
    """The bits that tell one of so many choices: ceil(log2 choices), exactly."""
    return (choices - 1).bit_length()


def check_integer(name: str, value: object, least: int = 1) -> None:
    """Refuse what is no integer, or too small a one.

    Raises:
        ValueError: if it is.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value!r}, wanted an integer of at least {least}")


def encode_checked(
    answers: AnswerFormat, out: Tensor, label: Tensor | None, generator: Generator | None
) -> Any:
    """Encode a teacher's outputs, and refuse targets that do not fit them.

    Args:
        answers: the format.
        out: (..., batch, outputs), what was read of the teacher, in V.
        label: (..., batch), int64, or None where nobody knows it.
        generator: of a format that draws; None for others.

    Returns:
        The targets; a tensor whose leading axes are those of `out`, or a NamedTuple of such and Nones.

    Raises:
        ValueError: a target is no tensor, has other leading axes or is not finite.
    """
    target = answers.encode(out, label, generator)
    for name, leaf in tree_leaves(target, "target").items():
        if not isinstance(leaf, Tensor) or leaf.shape[: out.ndim - 1] != out.shape[:-1]:
            came = tuple(leaf.shape) if isinstance(leaf, Tensor) else type(leaf).__name__
            raise ValueError(
                f"{answers}: {name} of outputs {tuple(out.shape)} is {came}, wanted the leading axes "
                f"{tuple(out.shape[:-1])}"
            )
        if not bool(torch.isfinite(leaf).all()):
            raise ValueError(f"{answers}: {name} has values that are NaN or infinite")
    return target
