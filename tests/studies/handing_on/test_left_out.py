"""A student that never sees a class: what it is taught with, what is counted, what is asked for."""

from typing import Any

import pytest
import torch

from analog import stream
from learners import Batch
from learners.data import draw_batches, held_out, load_data
from studies.handing_on import left_out, stimuli
from studies.kit.run.runner import plan_trials


@pytest.mark.parametrize("words", ["", "x", "3,3", "10", "-1", "0,1,2,3,4,5,6,7,8,9"])
def test_classes_that_cannot_be_left_out_are_named(words: str) -> None:
    with pytest.raises(ValueError, match="wanted some but not all classes"):
        next(left_out.run(left_out.Trial(left_out.Args(left_out=(words,)))))


def test_counts_add_up_and_every_way_is_told_of_every_heir() -> None:
    args = left_out.Args(left_out=("3",), teachers=1, heirs=2, epochs=0.3)
    rows = list(left_out.run(left_out.Trial(args)))
    threes = int((load_data("digits").test.target == 3).sum())
    assert [r["what"] for r in rows] == ["teacher", *(h for h in left_out.METHODS for _ in range(2))]
    for r in rows:
        assert r["images"] == 360 and r["left_out_images"] == threes
        assert 0 <= r["wrong_left_out"] <= min(threes, r["wrong"]) and r["wrong"] <= 360
    assert {r["bias"] for r in rows if r["what"] == "as taught"} == {0.0}


def test_no_image_of_a_left_out_class_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """The study hands its students no three, and no label at all."""
    seen: list[Batch] = []

    def spy(teacher: Any, student: Any, learner: Any, given: Any, **rest: Any) -> list[Any]:
        del teacher, student, learner, rest
        seen.extend(given)
        return []

    monkeypatch.setattr(left_out, "distillation_steps", spy)
    args = left_out.Args(left_out=("3",), teachers=1, heirs=1, epochs=2)
    list(left_out.run(left_out.Trial(args)))
    train = load_data("digits").train
    threes = {tuple(x) for x in train.x[train.target == 3].tolist()}
    shown = {tuple(x) for b in seen for x in b.x.tolist()}
    others = {tuple(x) for x in train.x[train.target != 3].tolist()}
    assert len(seen) == 2 * (1437 // 64) and all(b.target is None for b in seen)
    assert not shown & threes and len(shown & others) > 0.9 * len(others)


def test_held_out_images_are_training_images_and_no_test_image() -> None:
    data = load_data("digits")
    part = held_out(data)
    assert len(part.test.x) == 287 and len(part.train.x) == 1437 - 287
    both = torch.cat((part.train.x, part.test.x))
    assert sorted(both.tolist()) == sorted(data.train.x.tolist())


def test_so_many_batches_are_drawn() -> None:
    pool = Batch(torch.arange(50.0)[:, None])
    for size, count in ((7, 3), (7, 100), (50, 2), (64, 5), (49, 1)):
        batches = list(draw_batches(pool, size, count, stream(0, "drawn")))
        assert len(batches) == count and {len(b.x) for b in batches} == {min(size, 50)}


def test_every_kind_reads_the_teacher_as_often() -> None:
    """What is made up is read as often as what is selected; only the students pay for selecting."""
    args = stimuli.Args(reads=(0.2,), teachers=1, heirs=2, epochs=0.1, hidden=8, another="digits")
    rows = [r for r in stimuli.run(stimuli.Trial(args)) if r["what"] != "teacher"]
    assert [r["what"] for r in rows[::2]] == list(args.kinds)
    assert {r["teacher_reads"] for r in rows} == {4 * 64}
    own = {r["what"]: r["own_reads"] for r in rows}
    probed = 1 + 4  # quiet, and four probes
    plain = {own[k] for k in ("real", "a few", "noise", "mixup", "another set")}
    assert plain == {4 * 64 * probed}
    assert own["bald"] == own["entropy"] == 4 * 64 * (probed + 4) and own["highest loss"] == 4 * (
        16 * probed + 64
    )


def test_bad_plans_are_refused() -> None:
    with pytest.raises(ValueError, match="--candidates is 0; wanted a whole number of at least 1"):
        plan_trials(stimuli, stimuli.Args(candidates=0))
    with pytest.raises(ValueError, match=r"--reads is 0.0; wanted a number above 0"):
        plan_trials(stimuli, stimuli.Args(reads=(0.0,)))
