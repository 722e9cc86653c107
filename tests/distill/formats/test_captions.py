"""Captions: slopes, limits, and a teacher's own words as the best that can be said."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from analog import stream
from distill import DistillationLoss, HardCaptions, SoftCaptions, SoftLabels
from distill.formats import CaptionDistillationLoss, CaptionLoss, CaptionTarget, SoftCaptionTarget
from learners import CrossEntropy
from tests.distill.slopes import slope_gap

F64 = torch.float64
LABELS = torch.tensor([0, 2, 1, 1, 0])


def draw(*shape: int) -> Tensor:
    return torch.randn(shape, generator=stream(0, "captions", *shape), dtype=F64)


@given(classes=st.integers(3, 5), attributes=st.integers(1, 4), weight=st.floats(0, 2))
def test_training_a_captioning_teacher(classes: int, attributes: int, weight: float) -> None:
    """Cross-entropy to the class and to each attribute apart, as torch has them."""
    out = draw(2, 5, classes + attributes)
    seen = (draw(5, attributes) > 0).double()
    wanted = CrossEntropy()(out[..., :classes], LABELS)
    for a in range(attributes):
        each = binary_cross_entropy_with_logits(
            out[..., classes + a], seen[:, a].expand(2, 5), reduction="none"
        )
        wanted = wanted + weight * each
    loss, target = CaptionLoss(classes, weight), CaptionTarget(LABELS, seen)
    torch.testing.assert_close(loss(out, target), wanted)
    assert slope_gap(loss, out, target) < 1e-6


@given(temperature=st.floats(0.5, 20), weight=st.floats(0, 2))
def test_captions_slope_and_are_least_at_the_teachers_own_words(temperature: float, weight: float) -> None:
    answers, teacher = SoftCaptions(3, temperature, weight), draw(5, 7)
    told = answers.encode(teacher, None, stream(0))
    assert slope_gap(answers.loss, draw(2, 5, 7), told) < 1e-5 * temperature
    assert float(answers.loss(teacher, told).abs().max()) < 1e-10 * temperature**2
    assert float(answers.loss.gradient(teacher, told).abs().max()) < 1e-10 * temperature
    assert float(answers.loss(draw(2, 5, 7), told).min()) > 0


def test_an_attribute_is_an_answer_of_two_classes() -> None:
    """Each weighs as the matching of (there, not) would, and the classes as without any."""
    out, teacher, weight, temperature = draw(5, 7), draw(2, 5, 7)[1], 0.3, 3.0

    def two(z: Tensor) -> Tensor:
        return torch.stack((z, torch.zeros_like(z)), -1)

    def matched(z: Tensor, v: Tensor) -> Tensor:
        return DistillationLoss(temperature)(z, SoftLabels(temperature).encode(v, None, stream(0)))

    wanted = matched(out[:, :3], teacher[:, :3])
    wanted = wanted + weight * matched(two(out[:, 3:]), two(teacher[:, 3:])).sum(-1)
    answers = SoftCaptions(3, temperature, weight)
    torch.testing.assert_close(answers.loss(out, answers.encode(teacher, None, stream(0))), wanted)
    torch.testing.assert_close(
        SoftCaptions(3, temperature, 0.0).loss(out, answers.encode(teacher, None, stream(0))),
        matched(out[:, :3], teacher[:, :3]),
    )


def test_plain_captions_are_what_cold_ones_come_to() -> None:
    """At temperature 0 the softened caption is the class and its attributes, yes or no."""
    teacher = draw(5, 7)
    plain = HardCaptions(3).encode(teacher, None, stream(0))
    cold = SoftCaptions(3, 1e-4).encode(teacher, None, stream(0))
    assert torch.equal(cold.soft.argmax(-1), plain.label) and float(cold.soft.max(-1).values.min()) > 1 - 1e-9
    torch.testing.assert_close(cold.attributes, plain.attributes)


@given(classes=st.integers(2, 1000), attributes=st.integers(0, 50))
def test_bits(classes: int, attributes: int) -> None:
    assert SoftCaptions(classes).bits(classes + attributes) == 32 * (classes - 1 + attributes)
    bits = HardCaptions(classes).bits(classes + attributes)
    assert 2**bits >= classes * 2**attributes > 2 ** (bits - 1)


def test_bad_captions_are_refused() -> None:
    out = draw(5, 7)
    told = SoftCaptionTarget(out[:, :3].softmax(-1), out[:, 3:6].sigmoid())
    with pytest.raises(ValueError, match=r"\(\.\.\., 5, 4\) beside 3 classes of 7 outputs"):
        CaptionDistillationLoss(3, 1.0)(out, told)
    with pytest.raises(ValueError, match="attributes are torch.float32"):
        CaptionLoss(3)(out, CaptionTarget(LABELS, torch.zeros(5, 4)))
    for classes, weight in ((1, 0.1), (3, -1.0), (3, math.inf)):
        with pytest.raises(ValueError, match="wanted"):
            CaptionLoss(classes, weight)
        with pytest.raises(ValueError, match="wanted"):
            SoftCaptions(classes, 1.0, weight)
    with pytest.raises(ValueError, match="temperature is"):
        SoftCaptions(3, 0.0)
