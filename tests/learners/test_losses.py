"""Losses: values agree with torch, gradients with autograd, and bad targets are refused."""

import pytest
import torch

from analog import stream
from learners import BinaryCrossEntropy, CrossEntropy, SquaredError

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
