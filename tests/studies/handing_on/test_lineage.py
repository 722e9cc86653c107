"""Lineages: intervals against the textbook, who teaches whom, and what is refused."""

import pytest
import torch

from analog import Chip, Ideal, dense, stream
from learners import Batch
from learners.evaluation import predict
from studies.handing_on import lineage
from studies.kit.run.runner import plan_trials


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
        (lineage.Args(selection=(1.5,)), "--selection is 1.5"),
    ],
    ids=str,
)
def test_what_cannot_be_a_lineage_is_refused(args: lineage.Args, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        plan_trials(lineage, args)


def _fleet() -> tuple[Chip, Batch]:
    """Four chips of one layer, each right about so many examples as its identity lets it be."""
    x = torch.randn(64, 5, generator=stream(0, "judges"))
    chip = Chip(Ideal(), (dense(5, 3, linear=True),), range(4))
    return chip, Batch(x, predict(chip.port(), x)[2].argmax(-1))


def test_the_best_by_the_judges_teach_in_turn_and_lines_without_selection_teach_their_own() -> None:
    chip, judges = _fleet()
    trial = lineage.Trial(lineage.Args(lineages=4, selection=(0.5, 1.0)), selection=0.5)
    right = [
        float((out.argmax(-1) == judges.target).double().mean()) for out in predict(chip.port(), judges.x)
    ]
    best = sorted(range(4), key=lambda i: -right[i])[:2]
    assert best[0] == 2  # it is right by definition
    assert lineage._teachers(trial, chip.port(), judges).tolist() == best * 2
    alone = lineage.Trial(trial.args, selection=0.01)
    assert lineage._teachers(alone, chip.port(), judges).tolist() == [2] * 4
    lines = lineage.Trial(trial.args, selection=1.0)
    assert lineage._teachers(lines, chip.port(), judges).tolist() == [0, 1, 2, 3]


def test_each_heir_hears_the_teacher_that_was_chosen_for_it() -> None:
    chip, judges = _fleet()
    chosen = torch.tensor([3, 1, 3, 0])
    heard = lineage._answering(chip.port(), chosen).measure(judges.x).out
    torch.testing.assert_close(heard, chip.port().measure(judges.x).out[chosen])


def test_a_population_counts_the_founders_that_have_descendants() -> None:
    common = {"what": "generation", "rehearsal": 0, "selection": 0.5, "agreement": 1.0, "parent": 1.0}
    rows = [
        {**common, "generation": g, "lineage": i, "founder": f, "accuracy": 0.5 + 0.1 * g + 0.01 * i}
        for g, founders in enumerate(((0, 1, 2), (2, 0, 2), (2, 2, 2)))
        for i, f in enumerate(founders)
    ]
    rows.append({"what": "founder, read again", "rehearsal": 0, "selection": 0.5, "agreement": 1.0})
    assert [line["founders"] for line in lineage.table(rows)] == [3, 2, 1]
