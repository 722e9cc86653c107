"""How like a teacher a student answers: golden values, limits, invariances, scikit-learn as oracle."""

import math
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from torch import Tensor

from analog import stream
from distill import Fidelity, Likeness
from distill.fidelity import (
    agreement,
    cohen_kappa,
    expected_calibration_error,
    kl_divergence,
    repeated_mistakes,
)

F64 = torch.float64


def draw(*shape: int, name: str = "") -> Tensor:
    return 2 * torch.randn(shape, generator=stream(0, "fidelity", name, *shape), dtype=F64)


def names(*shape: int, classes: int = 4, name: str = "names") -> Tensor:
    return torch.randint(classes, shape, generator=stream(0, "fidelity", name, *shape))


TEACHER = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])  # names 0 1 0 1
OTHER = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])  # names 0 0 1 1
LABELS = torch.tensor([0, 0, 1, 0])  # the teacher is wrong from the second on


def test_golden_values() -> None:
    assert float(agreement(TEACHER, OTHER)) == 0.5
    assert float(cohen_kappa(TEACHER.argmax(-1), OTHER.argmax(-1))) == 0.0  # half alike, half by chance
    made = repeated_mistakes(TEACHER, OTHER, LABELS)
    assert (int(made.same), int(made.mistakes), made.share) == (1, 3, 1 / 3)
    p, q = 1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))
    with_it = p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    against_it = p * math.log(p / (1 - q)) + (1 - p) * math.log((1 - p) / q)
    assert float(kl_divergence(TEACHER, OTHER)) == pytest.approx((with_it + against_it) / 2, rel=1e-7)


def test_golden_calibration() -> None:
    """Four of confidence 0.8808 in one bin, one right: |1/4 - 0.8808|; two bins of which one is exact."""
    sure = 1 / (1 + math.exp(-2))
    assert float(expected_calibration_error(TEACHER, LABELS)) == pytest.approx(sure - 0.25, rel=1e-7)
    even = torch.tensor([[0.0, 0.0], [0.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    gap = 1 - 1 / (1 + math.exp(-4))
    assert float(expected_calibration_error(even, torch.tensor([0, 1, 0, 0]))) == pytest.approx(
        gap / 2, rel=1e-5
    )


@given(classes=st.integers(2, 6), examples=st.integers(2, 40), copied=st.floats(0, 1))
def test_kappa_is_that_of_scikit_learn(classes: int, examples: int, copied: float) -> None:
    one, other = (names(examples, classes=classes, name=who) for who in ("one", "other"))
    other[: round(copied * examples)] = one[: round(copied * examples)]
    with warnings.catch_warnings():  # it divides by zero where all names are one
        warnings.simplefilter("ignore")
        wanted = cohen_kappa_score(one.numpy(), other.numpy())
    got = float(cohen_kappa(one, other))
    assert got == pytest.approx(wanted, abs=1e-12) if math.isfinite(wanted) else got == 0.0


def test_the_teacher_closes_the_whole_gap_and_a_stranger_nothing_of_it() -> None:
    teacher, again, stranger = (draw(200, 5, name=who) for who in ("a", "b", "c"))
    again = teacher + 0.1 * again
    labels = names(200, classes=5)
    whole = Fidelity.of(teacher, again, again, stranger, labels)
    assert whole.closed == 1.0 and whole.closed_divergence == 1.0
    nothing = Fidelity.of(teacher, again, stranger, stranger, labels)
    assert nothing.closed == 0.0 and nothing.closed_divergence == 0.0
    for second in (teacher, stranger):  # the teacher no more like itself than the control is
        none = Fidelity.of(teacher, second, again, teacher, labels)
        assert none.closed is None and none.closed_divergence is None
    quieter = Fidelity.of(teacher, again, teacher, stranger, labels)  # less noisy than its teacher
    assert quieter.closed is not None and quieter.closed >= 1 and float(quieter.student.divergence) == 0


def test_halfway_is_half() -> None:
    """Agreement 0.75 between a stranger's 0.5 and the teacher's own 1."""
    half = torch.cat((OTHER[:1], TEACHER[1:2], OTHER[2:]))
    made = Fidelity.of(TEACHER, TEACHER, half, OTHER, LABELS)
    assert made.closed == 0.5


def test_without_mistakes_there_is_no_share_and_nothing_is_nan() -> None:
    right = TEACHER.argmax(-1)
    made = Likeness.of(TEACHER, OTHER, right)
    assert made.repeated.share is None and int(made.repeated.mistakes) == 0
    for one in (*made[:3], *made[4:], Likeness.of(TEACHER[:, :1], OTHER[:, :1], 0 * LABELS).kappa):
        assert bool(torch.isfinite(one).all())


@given(fleet=st.integers(1, 4), lone=st.booleans(), shift=st.floats(-50, 50))
def test_a_fleet_is_its_chips_and_order_scale_and_offset_are_nothing(
    fleet: int, lone: bool, shift: float
) -> None:
    """Row by row as alone; examples and classes in any order, outputs shifted: the same."""
    teachers = draw(30, 4, name="t") if lone else draw(fleet, 30, 4, name="t")
    others, labels = draw(fleet, 30, 4, name="o"), names(30)
    whole = Likeness.of(teachers, others, labels)
    for row in range(fleet):
        alone = Likeness.of(teachers if lone else teachers[row], others[row], labels)
        for got, wanted in zip((*whole[:3], *whole[4:]), (*alone[:3], *alone[4:]), strict=True):
            torch.testing.assert_close(got[row], wanted)
        assert int(whole.repeated.same[row]) == int(alone.repeated.same)
    examples, classes = torch.arange(30).flip(0), torch.tensor([2, 0, 3, 1])
    moved = (m[..., examples, :][..., classes] + shift for m in (teachers, others))
    turned = Likeness.of(*moved, classes.argsort()[labels[examples]])
    for got, wanted in zip((*turned[:3], *turned[4:]), (*whole[:3], *whole[4:]), strict=True):
        torch.testing.assert_close(got, wanted)
    assert torch.equal(turned.repeated.same, whole.repeated.same)


def test_divergence_is_zero_only_for_the_same_answers_and_knows_who_teaches() -> None:
    teacher, other = draw(50, 3, name="t"), draw(50, 3, name="o")
    assert float(kl_divergence(teacher, teacher + 7.0)) == pytest.approx(0, abs=1e-12)
    assert float(kl_divergence(teacher, other)) > 0
    assert float(kl_divergence(teacher, other)) != pytest.approx(
        float(kl_divergence(other, teacher)), rel=1e-3
    )


def test_bad_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"\(4, 2\), the other's \(4, 3\)"):
        agreement(TEACHER, torch.zeros(4, 3))
    with pytest.raises(ValueError, match="as many as others"):
        kl_divergence(torch.zeros(2, 4, 2), torch.zeros(3, 4, 2))
    with pytest.raises(ValueError, match=r"the other's outputs are torch.int64 \(4,\)"):
        agreement(TEACHER, LABELS)
    for labels in (LABELS[:3], LABELS.double(), LABELS - 1, LABELS + 2, LABELS.expand(3, 4)):
        with pytest.raises(ValueError, match="labels are"):
            Likeness.of(TEACHER.expand(2, 4, 2), OTHER.expand(2, 4, 2), labels)
    with pytest.raises(ValueError, match="as many examples"):
        cohen_kappa(LABELS, LABELS[:3])
    with pytest.raises(ValueError, match="not outputs"):
        cohen_kappa(TEACHER, OTHER)
