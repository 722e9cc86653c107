"""Rehearsal: its loss against autograd, and its limits."""

import pytest
import torch
from torch.nn.functional import one_hot

from analog import stream
from distill import DistillationLoss, TeacherTarget, soften
from distill.formats.answer_format import encode_checked
from learners import CrossEntropy
from studies.handing_on.rehearsal import RehearsalLoss, RehearsalTarget, SoftLabelsWithRehearsal

OUT, SAID = (torch.randn(6, 4, generator=stream(0, "lineage", i), dtype=torch.float64) for i in range(2))
ANSWER = TeacherTarget(soften(SAID, 3.0))
CLASSES = torch.tensor([0, 1, 2, 3, 0, 1])


def test_examples_that_nobody_kept_are_learned_from_the_teacher_alone() -> None:
    nothing = RehearsalTarget(ANSWER, torch.zeros_like(OUT))
    assert torch.equal(RehearsalLoss(3.0)(OUT, nothing), DistillationLoss(3.0)(OUT, ANSWER))
    assert torch.equal(RehearsalLoss(3.0).gradient(OUT, nothing), DistillationLoss(3.0).gradient(OUT, ANSWER))


def test_kept_examples_add_the_cross_entropy_to_their_label() -> None:
    some = one_hot(CLASSES, 4).double() * (torch.arange(6) < 3)[:, None]
    extra = RehearsalLoss(3.0)(OUT, RehearsalTarget(ANSWER, some)) - DistillationLoss(3.0)(OUT, ANSWER)
    torch.testing.assert_close(extra[:3], CrossEntropy()(OUT[:3], CLASSES[:3]))
    assert not extra[3:].any()
    live = OUT.clone().requires_grad_()
    RehearsalLoss(3.0)(live, RehearsalTarget(ANSWER, some)).sum().backward()
    assert live.grad is not None
    torch.testing.assert_close(RehearsalLoss(3.0).gradient(OUT, RehearsalTarget(ANSWER, some)), live.grad)
    with pytest.raises(ValueError, match="one-hot or zero"):
        SoftLabelsWithRehearsal(3.0).encode(OUT, None, stream(0))


def test_a_fleet_of_teachers_and_labels_that_it_shares_make_targets_of_every_chip() -> None:
    """Outputs of five chips, labels of nobody in particular: each chip gets the same ones."""
    out, label = torch.zeros(5, 6, 4), one_hot(CLASSES, 4)
    target = encode_checked(SoftLabelsWithRehearsal(3.0), out, label, None)
    assert target.label.shape == out.shape and bool((target.label == label).all())
