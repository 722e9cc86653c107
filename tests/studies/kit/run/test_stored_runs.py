"""Runs are listed and read alike, from results folders and archives."""

import shutil
from pathlib import Path

import pytest

from studies.kit.run.archive import archive, is_archive
from studies.kit.run.rows import ResultsError
from studies.kit.run.runner import RunOptions, run_study
from studies.kit.run.stored_runs import list_runs, read_run
from tests.studies import toy


def test_finished_unfinished_archived_and_damaged_runs_are_listed(tmp_path: Path) -> None:
    results = tmp_path / "results"
    whole = run_study(toy, toy.Args(trials=2, seed=5), RunOptions(results / "toy-a", threads=1))
    half = results / "toy-b"
    shutil.copytree(whole, half)
    lines = (half / "rows.jsonl").read_text().splitlines(keepends=True)
    (half / "rows.jsonl").write_text("".join(lines[:5]))
    (results / "toy-c").mkdir()
    (results / "toy-c" / "manifest.json").write_text("{}")
    first, second, damaged = list_runs(results)
    assert (first["study"], first["finished"], first["arguments"]) == ("toy", "2 of 2", "--trials 2 --seed 5")
    assert second["finished"] == "1 of 2" and damaged["finished"].startswith("cannot be read")
    place = archive(whole, tmp_path / "archives")
    (kept,) = list_runs(tmp_path / "archives")
    assert kept["folder"] == str(place) and kept["finished"] == "2 of 2"
    assert is_archive(place) and not is_archive(whole)
    assert read_run(place).rows == read_run(whole).rows and len(read_run(half).rows) == 4


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="there is no such folder"):
        list_runs(tmp_path / "nowhere")
