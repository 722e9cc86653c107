"""Rehearsal: its loss against autograd, its limits, and intervals against the textbook."""

import pytest
import torch
from torch.nn.functional import one_hot

from analog import stream
from distill import DistillationLoss, TeacherTarget, soften
from distill.formats.answer_format import encode_checked
from learners import CrossEntropy
from studies.handing_on import lineage
from studies.handing_on.lineage import RehearsalLoss, RehearsalTarget, SoftLabelsWithRehearsal
from studies.kit.run.runner import plan_trials

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


def test_the_interval_is_students_over_paired_lineages() -> None:
    """Two lineages that lose 2 and 4 points: 3 on average, t(0.975, 1) = 12.706 times 1."""
    rows = []
    for name, scores in enumerate(((0.9, 0.88), (0.8, 0.76))):
        for generation, score in enumerate(scores):
            rows.append(
                {
                    "what": "generation",
                    "rehearsal": 0,
                    "generation": generation,
                    "lineage": name,
                    "accuracy": score,
                    "agreement": 1.0,
                    "parent": 1.0,
                }
            )
    rows.append({"what": "founder, read again", "rehearsal": 0, "agreement": 1.0})
    last = lineage.table(rows)[-1]
    assert last["below founder"] == "3.00 +- 12.71"


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (lineage.Args(lineages=1), "--lineages is 1; wanted a whole number of at least 2"),
        (lineage.Args(generations=0), "--generations is 0; wanted a whole number of at least 1"),
        (lineage.Args(rehearsal=(-1,)), "--rehearsal is -1; wanted a whole number of at least 0"),
        (lineage.Args(rehearsal=()), "--rehearsal is empty; wanted at least one"),
    ],
    ids=str,
)
def test_what_cannot_be_a_lineage_is_refused(args: lineage.Args, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        plan_trials(lineage, args)


def test_a_fleet_of_teachers_and_labels_that_it_shares_make_targets_of_every_chip() -> None:
    """Outputs of five chips, labels of nobody in particular: each chip gets the same ones."""
    out, label = torch.zeros(5, 6, 4), one_hot(CLASSES, 4)
    target = encode_checked(SoftLabelsWithRehearsal(3.0), out, label, None)
    assert target.label.shape == out.shape and bool((target.label == label).all())
