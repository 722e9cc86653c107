"""The contract of answer formats: ours keep it, and each way to break it is named."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import Chip, ContractError, Mismatched, dense, stream
from distill import (
    AnswerFormat,
    HardCaptions,
    HardLabels,
    Logits,
    SampledLabels,
    SoftCaptions,
    SoftLabels,
    check_answer_format,
    lessons,
)
from distill.formats import Words
from learners import Batch, CrossEntropy, Loss, SquaredError
from studies.handing_on.bits import METHODS

OURS: tuple[AnswerFormat, ...] = (
    SoftLabels(2.0, hard_weight=0.5),
    SoftCaptions(4),
    HardCaptions(4),
    Words(2),
    Words(5, SampledLabels(2)),
    Words(2, SoftLabels(3.0)),
    *(method for method in METHODS if not isinstance(method, str)),
)


@pytest.mark.parametrize("answers", OURS, ids=str)
def test_our_formats_keep_their_contract(answers: AnswerFormat) -> None:
    laws = check_answer_format(answers)
    assert len({*laws}) == len(laws) == 3 and all(law.endswith(".") for law in laws)


@dataclass(frozen=True)
class OfAll(Logits):
    """One target for all examples."""

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        return out.mean(-2)


@dataclass(frozen=True)
class Global(Logits):
    """Draws from torch's generator."""

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        return out + torch.randn(out.shape, dtype=out.dtype)


@dataclass
class Drifting:
    """Remembers how often it was asked."""

    times: int = 0

    needs_label = False
    draws = False
    loss = SquaredError()

    def bits(self, outputs: int) -> int:
        return 32 * outputs

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        self.times += 1
        return out * self.times


@dataclass(frozen=True)
class Careless(SampledLabels):
    """Draws without a generator, if there is none."""

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Any:
        return super().encode(out, label, generator or Generator().manual_seed(0))


@dataclass(frozen=True)
class Free(HardLabels):
    """Costs nothing."""

    def bits(self, outputs: int) -> int:
        return 0


class Steep(SquaredError):
    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        return 2 * (out - target)


class Wrong(Logits):
    """A loss whose gradient is twice too large."""

    @property
    def loss(self) -> SquaredError:
        return Steep()


class Parts(Logits):
    """A loss without a number for each example."""

    @property
    def loss(self) -> Any:
        class Sum(CrossEntropy):
            def __call__(self, out: Tensor, target: Any) -> Tensor:
                return (out - target).square().sum()

        loss: Loss = Sum()
        return loss


@dataclass(frozen=True)
class NoLoss:
    """Has no loss."""

    needs_label = False
    draws = False


@dataclass(frozen=True)
class LossClass(Logits):
    """Gives the class of its loss."""

    @property
    def loss(self) -> Any:
        return SquaredError


@dataclass(frozen=True)
class Curt(Logits):
    """Takes the outputs alone."""

    def encode(self, out: Tensor) -> Tensor:  # type: ignore[override]
        return out


@dataclass(frozen=True)
class Infinite(Logits):
    """Says the logarithm of what may be negative."""

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        return out.log()


@dataclass(frozen=True)
class Greedily(Logits):
    """Alters what was read."""

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> Tensor:
        return out.mul_(2)


@pytest.mark.parametrize(
    ("answers", "says"), [(Infinite(), "NaN or infinite"), (OfAll(), "wanted the leading axes")], ids=str
)
def test_targets_that_do_not_fit_are_refused_where_they_are_given(answers: AnswerFormat, says: str) -> None:
    teacher = Chip(Mismatched(), (dense(4, 3, linear=True),)).port()
    with pytest.raises(ValueError, match=says):
        list(lessons(teacher, [Batch(torch.randn(5, 4, generator=stream(0)))], answers))


@pytest.mark.parametrize(
    ("answers", "law"),
    [
        (OfAll(), "target is .*, wanted the leading axes"),
        (Global(), "global torch generator"),
        (Drifting(), "two targets for one state"),
        (Careless(), "does not refuse"),
        (Free(), "bits are 0"),
        (Wrong(), "gradient is off"),
        (Parts(), "wanted one an example"),
        (NoLoss(), "it has no loss"),
        (LossClass(), "loss is .*wanted an instance"),
        (Curt(), "encode raised TypeError"),
        (Infinite(), "target is not finite"),
        (Greedily(), "encode altered the outputs"),
        (SoftLabels, r"got the class SoftLabels, wanted a format: write SoftLabels\(\)"),
    ],
    ids=lambda part: type(part).__name__ if not isinstance(part, str) else "",
)
def test_each_broken_law_is_named(answers: AnswerFormat, law: str) -> None:
    with torch.random.fork_rng(devices=[]), pytest.raises(ContractError, match=law):
        check_answer_format(answers)
