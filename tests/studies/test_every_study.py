"""Every study at the toy size that it carries itself."""

import json
import pickle
from pathlib import Path

import pytest

from studies.kit.run.catalog import catalog, import_study

NAMES = [*catalog()]


@pytest.mark.parametrize("name", NAMES)
def test_every_study_runs_at_toy_size(name: str, tmp_path: Path) -> None:
    study = import_study(name)
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


@pytest.mark.parametrize("name", [n for n in NAMES if n != "speed"])  # that one measures time
def test_rows_depend_on_the_trial_alone(name: str) -> None:
    """In the order of the plan or one trial by itself: the same rows."""
    study = import_study(name)
    trials = study.plan(study.TOY)
    inside = [list(study.run(t)) for t in trials][-1]
    assert list(study.run(trials[-1])) == inside
