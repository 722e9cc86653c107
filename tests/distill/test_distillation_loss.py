"""Golden tests of the distillation loss."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import stream
from distill import DistillationLoss, TeacherTarget, soften
from learners import CrossEntropy

F64 = torch.float64


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=stream(0, "soft", *shape), dtype=F64)


@given(
    temperature=st.floats(0.5, 40), soft=st.floats(0, 3), hard=st.floats(0.1, 3), classes=st.integers(2, 6)
)
def test_the_slope_is_the_finite_difference(
    temperature: float, soft: float, hard: float, classes: int
) -> None:
    loss = DistillationLoss(temperature, soft_weight=soft, hard_weight=hard)
    out = draw(3, 4, classes)
    target = TeacherTarget(soften(draw(4, classes), temperature), torch.arange(4) % classes)
    slope, size = loss.gradient(out, target), 1e-4
    for c in range(classes):
        step = torch.zeros(classes, dtype=F64)
        step[c] = size
        wanted = (loss(out + step, target) - loss(out - step, target)) / (2 * size)
        torch.testing.assert_close(slope[..., c], wanted, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("classes", [2, 10, 50])
def test_at_infinite_temperature_logits_are_matched(classes: int) -> None:
    """T^2 times the soft slope tends to (z - v) / C for centred logits (Hinton et al. 2015, eq. 4)."""
    z, v = (m - m.mean(-1, keepdim=True) for m in (draw(7, classes), draw(2, 7, classes)[1]))
    gaps = []
    for temperature in (1e2, 1e3):
        slope = DistillationLoss(temperature).gradient(z, TeacherTarget(soften(v, temperature)))
        gaps.append(float((slope - (z - v) / classes).abs().max()))
    assert gaps[1] < 0.15 * gaps[0] and gaps[1] < 0.01  # first order in 1 / T
    assert float((soften(v, 1e9) - 1 / classes).abs().max()) < 1e-8  # uniform


def test_the_loss_is_zero_for_the_teacher_itself_and_positive_for_others() -> None:
    out = draw(5, 4)
    for temperature in (0.7, 1.0, 20.0):
        answer = TeacherTarget(soften(out, temperature))
        assert float(DistillationLoss(temperature)(out, answer).abs().max()) < 1e-12 * temperature**2
        assert float(DistillationLoss(temperature)(draw(3, 5, 4)[1], answer).min()) > 0
        assert torch.isfinite(
            DistillationLoss(temperature)(out, TeacherTarget(torch.eye(4, dtype=F64)[[0, 1, 2, 3, 0]]))
        ).all()


def test_temperature_squared_is_always_applied() -> None:
    """In the limit the loss itself tends to |z - v|^2 / (2C) whatever the temperature: T^2 holds it there."""
    z, v = (m - m.mean(-1, keepdim=True) for m in (draw(7, 5), draw(2, 7, 5)[1]))
    wanted = (z - v).square().sum(-1) / 10
    for temperature in (300.0, 3000.0):
        got = DistillationLoss(temperature)(z, TeacherTarget(soften(v, temperature)))
        torch.testing.assert_close(got, wanted, rtol=30 / temperature, atol=0)


def test_terms_add_with_their_names() -> None:
    out, labels = draw(5, 4), torch.tensor([0, 1, 2, 3, 0])
    answer = TeacherTarget(soften(draw(2, 5, 4)[1], 3.0), labels)
    soft, hard = DistillationLoss(3.0)(out, answer), CrossEntropy()(out, labels)
    torch.testing.assert_close(
        DistillationLoss(3.0, soft_weight=0.3, hard_weight=0.7)(out, answer), 0.3 * soft + 0.7 * hard
    )


@given(copies=st.integers(1, 4), spare=st.integers(0, 3))
def test_batch_size_and_absent_classes_change_nothing(copies: int, spare: int) -> None:
    """Repeating examples repeats their losses; classes that neither ever names cost nothing."""
    out, said = draw(5, 4), draw(2, 5, 4)[1]
    loss = DistillationLoss(2.0)
    once = loss(out, TeacherTarget(soften(said, 2.0)))
    again = loss(out.repeat(copies, 1), TeacherTarget(soften(said.repeat(copies, 1), 2.0)))
    torch.testing.assert_close(again, once.repeat(copies))
    never = torch.full((5, spare), -1e4, dtype=F64)
    wide = loss(torch.cat((out, never), -1), TeacherTarget(soften(torch.cat((said, never), -1), 2.0)))
    torch.testing.assert_close(wide, once)


def test_missing_labels_and_bad_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="no label"):
        DistillationLoss(1.0, hard_weight=1.0)(draw(2, 3), TeacherTarget(soften(draw(2, 3), 1.0)))
    for temperature in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="temperature is"):
            DistillationLoss(temperature)
        with pytest.raises(ValueError, match="temperature is"):
            soften(draw(2, 3), temperature)
    for soft, hard in ((0.0, 0.0), (-1.0, 2.0)):
        with pytest.raises(ValueError, match="weights"):
            DistillationLoss(1.0, soft, hard)
