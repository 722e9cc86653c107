"""Losses: values agree with torch, gradients with autograd, and bad targets are refused."""

from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, mlp, stream
from learners import (
    Batch,
    BinaryCrossEntropy,
    CrossEntropy,
    Descent,
    NodePerturbation,
    SquaredError,
    adam,
    check_loss,
)
from learners.losses import Projected

OUT = torch.randn(3, 2, 5, 4, generator=stream(0, "losses"), dtype=torch.float64)
LABELS = torch.tensor([0, 3, 1, 1, 2])


def test_cross_entropy_agrees_with_torch() -> None:
    ours = CrossEntropy()(OUT, LABELS)
    assert ours.shape == (3, 2, 5) and CrossEntropy().value(OUT, LABELS).shape == (3, 2, 5, 1)
    theirs = torch.nn.functional.cross_entropy(OUT[1, 1], LABELS, reduction="none")
    torch.testing.assert_close(ours[1, 1], theirs)


def test_binary_cross_entropy_agrees_with_torch() -> None:
    target = OUT[0, 0].sigmoid()
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(OUT[1, 1], target, reduction="none")
    torch.testing.assert_close(BinaryCrossEntropy()(OUT, target)[1, 1], theirs.sum(-1))
    assert bool(torch.isfinite(BinaryCrossEntropy()(1e4 * OUT, target)).all())


@pytest.mark.parametrize(
    ("loss", "target"),
    [
        (CrossEntropy(), LABELS),
        (SquaredError(), OUT[0, 0] * 0.5),
        (BinaryCrossEntropy(), OUT[0, 0].sigmoid()),
        (Projected(SquaredError(), [[1, -1, 0, 0], [0, 2, 0, 0.5]]), OUT[0, 0, :, :2]),
    ],
)
def test_gradients_are_gradients(loss: CrossEntropy, target: torch.Tensor) -> None:
    out = OUT.clone().requires_grad_()
    (wanted,) = torch.autograd.grad(loss(out, target).sum(), out)
    torch.testing.assert_close(loss.gradient(OUT, target), wanted)


@pytest.mark.parametrize("target", [LABELS.float(), LABELS[:4], LABELS - 1, LABELS[:0], None])
def test_bad_labels_are_refused(target: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="wanted int64 class numbers"):
        CrossEntropy()(OUT, target)


def test_a_loss_of_sums_of_outputs_judges_those_alone() -> None:
    loss = Projected(SquaredError(), [[1, -1, 0, 0]])
    torch.testing.assert_close(loss(OUT, OUT[..., :1]), 0.5 * OUT[..., 1].square())
    check_loss(Projected(CrossEntropy(), torch.eye(6).tolist()), outputs=6)
    with pytest.raises(ValueError, match="weights are for 4 outputs, got 2"):
        loss(OUT[..., :2], OUT[..., :1])
    for bad in ([], [[]], [[1, 2], [3]]):
        with pytest.raises(ValueError, match="Projected: weights are"):
            Projected(SquaredError(), bad)


class Averaged(CrossEntropy):
    def value(self, out: torch.Tensor, target: Any) -> torch.Tensor:
        return super().value(out, target).mean()


class Number(CrossEntropy):
    def value(self, out: torch.Tensor, target: Any) -> Any:
        return float(super().value(out, target).mean())


class Flat(CrossEntropy):
    def value(self, out: torch.Tensor, target: Any) -> torch.Tensor:
        return super().value(out, target)[..., 0]


@pytest.mark.parametrize(
    ("loss", "came"), [(Averaged(), r"torch.float64 \(\)"), (Number(), "a float"), (Flat(), "torch.float64")]
)
def test_a_loss_that_gives_no_number_for_each_example_is_named(loss: CrossEntropy, came: str) -> None:
    """Whoever asks it: a learner of one's own, or one of ours, before any pulse."""
    says = rf"^{type(loss).__name__}\(\) gave {came}.*wanted \(5, 1\), a number for each part of each example"
    out = OUT[0, 0]
    with pytest.raises(ValueError, match=says):
        loss(out, LABELS)
    port = Chip(Mismatched(), mlp(6, 4)).port()
    learner = Descent(NodePerturbation(0.1), adam(0.1), loss)
    batch = Batch(torch.zeros(5, 6), LABELS)
    with pytest.raises(ValueError, match=r"wanted \(5, 1\), a number for each part of each example"):
        learner.step(port, batch, learner.init(port.spec), stream(0))


def test_labels_of_classes_without_an_output_are_told_in_words() -> None:
    with pytest.raises(ValueError, match="cross-entropy has 4 outputs, and the labels need 10"):
        CrossEntropy()(OUT, LABELS * 3)


@pytest.mark.parametrize("target", [torch.zeros(5).double(), torch.zeros(5, 1), torch.zeros(1, 4).double()])
def test_a_target_unlike_the_outputs_is_refused(target: torch.Tensor) -> None:
    """(5, 1) outputs against (5,) targets would broadcast to 25 differences without a word."""
    with pytest.raises(ValueError, match="squared error: target is"):
        SquaredError()(OUT[0, 0, :, :1] if target.shape[-1] != 4 else OUT[0, 0], target)


@pytest.mark.parametrize("target", [OUT[0, 0], OUT[0, 0].sigmoid().float(), torch.zeros(5).double(), None])
def test_shares_beyond_0_and_1_are_refused(target: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="binary cross-entropy: target is .* from 0 to 1"):
        BinaryCrossEntropy()(OUT[0, 0], target)


def test_a_loss_is_shown_by_its_name_and_fields() -> None:
    assert repr(CrossEntropy()) == "CrossEntropy()"

    class Weighted(SquaredError):
        def __init__(self) -> None:
            self.weight, self._cache = 0.5, object()

    assert repr(Weighted()) == "Weighted(weight=0.5)"
