"""Archives keep what is finished, byte for byte, and a run goes on from them to the same rows."""

import gzip
import random
from pathlib import Path

import pytest
from filelock import FileLock

from studies.kit.run import archive as archives
from studies.kit.run.archive import archive, finished_trials, restore
from studies.kit.run.results import read_manifest
from studies.kit.run.rows import ResultsError, trial_text
from studies.kit.run.runner import RunOptions, run_study
from tests.studies import toy


def run(folder: Path, broken: int | None = None, trials: int = 4) -> Path:
    return run_study(toy, toy.Args(trials=trials, broken=broken), RunOptions(folder, threads=1))


def test_a_finished_run_comes_back_as_it_was(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    place = archive(folder, tmp_path / "archives")
    assert place.parent == tmp_path / "archives" / "toy" and len(place.name) == 8
    back = restore(place, tmp_path / "back")
    for name in ("manifest.json", "rows.jsonl"):
        assert (back / name).read_bytes() == (folder / name).read_bytes()
    assert not (back / "spool").exists()
    first = (place / "rows.jsonl.gz").read_bytes()
    assert archive(back, tmp_path / "archives") == place and (place / "rows.jsonl.gz").read_bytes() == first


def test_an_unfinished_run_goes_on_from_its_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials that finished before their turn are kept as well."""
    whole = run(tmp_path / "whole")
    unfinished = tmp_path / "unfinished"
    (unfinished / "spool").mkdir(parents=True)
    lines = (whole / "rows.jsonl").read_text().splitlines(keepends=True)
    (unfinished / "manifest.json").write_bytes((whole / "manifest.json").read_bytes())
    (unfinished / "rows.jsonl").write_text("".join(lines[:5]))
    (unfinished / "spool" / "2.json").write_text("".join(lines[10:15]))
    place = archive(unfinished, tmp_path / "archives")
    ran = []
    run_trial = toy.run
    monkeypatch.setattr(toy, "run", lambda trial: (ran.append(trial.name), run_trial(trial))[1])
    run(restore(place, tmp_path / "back"))
    assert ran == ["toy 1", "toy 3"]
    assert (tmp_path / "back" / "rows.jsonl").read_text() == "".join(lines)


def test_of_a_run_that_is_going_on_whole_trials_are_archived(tmp_path: Path) -> None:
    folder = run(tmp_path)
    lines = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    with FileLock(folder / "lock"):
        for half_written in (lines[15][:9], "".join(lines[15:19])):
            (folder / "rows.jsonl").write_text("".join(lines[:15]) + half_written)
            assert [*finished_trials(folder)] == ["toy 0", "toy 1", "toy 2"]


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run(tmp_path / "run")
    path = folder / "rows.jsonl"
    noise = random.Random(0).randbytes(600_000).hex()
    whole = path.read_text()
    path.write_text(trial_text("toy 0", [{"noise": noise}]))
    with pytest.raises(ResultsError, match=r"rows\.jsonl\.gz would have \d+ bytes, at most 600000"):
        archive(folder, tmp_path / "archives")
    assert not (tmp_path / "archives").exists()
    path.write_text(whole)
    place = archive(folder, tmp_path / "archives")
    total = sum(p.stat().st_size for p in place.iterdir())
    monkeypatch.setattr(archives, "LIMIT", total + 10)
    assert archive(folder, tmp_path / "archives") == place  # in its own stead
    (place.parent / "other").write_text("x" * 20)
    with pytest.raises(ResultsError, match="archives would have .* delete some"):
        archive(folder, tmp_path / "archives")


def test_what_is_no_archive_or_would_be_overwritten_is_refused(tmp_path: Path) -> None:
    folder = run(tmp_path / "run")
    place = archive(folder, tmp_path / "archives")
    with pytest.raises(ResultsError, match="holds results already"):
        restore(place, folder)
    for act in (archive, restore):
        with pytest.raises(ResultsError, match="is not a results folder"):
            act(tmp_path)
    assert read_manifest(place) == read_manifest(folder)
    assert len(gzip.decompress((place / "rows.jsonl.gz").read_bytes()).splitlines()) == 20
