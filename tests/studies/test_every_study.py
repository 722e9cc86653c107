"""Every study at the toy size that it carries itself."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from studies.__main__ import STUDIES
from studies.kit.run.study import claim
from studies.perturbation import speed


@pytest.mark.parametrize("study", STUDIES, ids=claim)
def test_every_study_runs_at_toy_size(study: Any, tmp_path: Path) -> None:
    args = study.TOY
    trials = study.plan(args)
    assert pickle.loads(pickle.dumps(trials)) == trials
    rows = [{"trial": t.name, **row} for t in trials for row in study.run(t)]
    json.dumps(rows)
    shares = [r["done"] for r in rows if r["trial"] == trials[0].name and "done" in r]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert study.table(rows)
    for path in study.figures(rows, tmp_path):
        assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("study", [s for s in STUDIES if s is not speed], ids=claim)  # that one measures time
def test_rows_depend_on_the_trial_alone(study: Any, tmp_path: Path) -> None:
    """In the order of the plan or one trial by itself: the same rows."""
    trials = study.plan(study.TOY)
    inside = [list(study.run(t)) for t in trials][-1]
    assert list(study.run(trials[-1])) == inside
