"""Heirs tell their story in order, and separate from weight copies early."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from learners import recipes
from studies.handing_on import heirs
from studies.kit.run.runner import RunOptions, run_study


def test_a_study_is_a_function() -> None:
    rows = list(heirs.run(heirs.Trial(heirs.Args(heirs=1, epochs=0.1, hidden=4))))
    assert rows[-1]["what"] == "heir" and 0 <= rows[-1]["accuracy"] <= 1


def test_heirs_tells_the_story_in_order() -> None:
    rows = list(heirs.run(heirs.Trial(heirs.Args(heirs=2, epochs=0.1, hidden=4))))
    story = list(dict.fromkeys(r["what"] for r in rows))
    wanted = ["curve", "teacher", "teacher, read again", "copy", "heir before", "teacher, dead", "heir"]
    assert story == wanted
    last = [r for r in rows if r["what"] == "heir"]
    assert [r["chip"] for r in last] == [1, 2] and all(r["joules"] > 0 for r in last)


def test_a_learner_of_ones_own_teaches_the_teacher_and_its_heirs() -> None:
    """The default is the recipe under its name; another leaves other teachers and other heirs."""
    few = heirs.Args(heirs=1, epochs=0.1, hidden=4)
    learners = ("learned feedback", partial(recipes.node_perturbation, probes=1), "exact gradient")
    runs = [[*heirs.run(heirs.Trial(replace(few, learner=learner)))] for learner in learners]
    assert runs[0] == [*heirs.run(heirs.Trial(few))]
    for what in ("teacher", "heir"):
        reads = [next(r["reads"] for r in rows if r["what"] == what) for rows in runs]
        assert reads[1] == reads[0] * 2 / 5 and reads[2] < reads[1]


def test_more_stimuli_than_there_are_are_refused_before_anything_is_trained(tmp_path: Path) -> None:
    too_many = heirs.Args(stimuli=1500, epochs=0.1, hidden=4)
    with pytest.raises(ValueError, match="heirs: --stimuli is 1500; digits has 1437 training examples"):
        run_study(heirs, too_many, RunOptions(tmp_path / "run"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(ValueError, match="asked for 1500 of a pool of 1437"):
        next(heirs.run(heirs.Trial(too_many)))


def test_short_training_already_separates_heirs_from_copies() -> None:
    """A tenth of the demo's training: heirs beat weight copies of the same teacher by 5 points or more."""
    rows = list(heirs.run(heirs.Trial(heirs.Args(heirs=4, epochs=10))))
    mean = {w: [r["accuracy"] for r in rows if r["what"] == w] for w in ("teacher", "copy", "heir")}
    score = {w: sum(v) / len(v) for w, v in mean.items()}
    assert score["teacher"] > 0.85 and score["heir"] > score["copy"] + 0.05


def test_conduct_draws_and_keeps(tmp_path: Path) -> None:
    folder = run_study(heirs, heirs.TOY, RunOptions(tmp_path, threads=1))
    assert (folder / "heirs.png").exists() and len((folder / "rows.jsonl").read_text()) > 1000


@pytest.mark.parametrize("args", [heirs.Args(heirs=0), heirs.Args(hidden=-1), heirs.Args(epochs=0)], ids=str)
def test_zero_is_not_the_default(args: heirs.Args) -> None:
    with pytest.raises(ValueError, match="wanted a finite number above 0"):
        next(heirs.run(heirs.Trial(args)))
