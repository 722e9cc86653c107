"""What a results folder refuses, and what the operating system refuses to it, is said in one line."""

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from studies.kit.run import results as results_module
from studies.kit.run.results import Results, read_manifest, read_rows
from studies.kit.run.rows import FORMAT, ResultsError
from studies.kit.run.runner import RunOptions, run_study
from tests.studies import toy

ABOUT = {"format": FORMAT, "made_by": {}}


def test_an_earlier_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"made_by": {}}))
    with pytest.raises(ResultsError, match=r"another format \(1, wanted 2\), whose rows cannot be checked"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "where", ["manifest.part", "spool/0.part", "spool/1.part", "rows.jsonl", "times.jsonl"]
)
def test_on_a_full_disk_nothing_is_lost(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk takes half of what is written to one file, wherever that may be."""
    args = toy.Args(trials=3)
    whole = run_study(toy, args, RunOptions(tmp_path / "whole", threads=1))
    folder, sync, opened = tmp_path / "full", os.fsync, Path.open

    def full(file: int) -> None:
        if os.readlink(f"/proc/self/fd/{file}").endswith(where):
            os.truncate(file, os.fstat(file).st_size - 20)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), where)
        sync(file)

    def refused(path: Path, *words: Any, **more: Any) -> Any:
        if str(path).endswith(where) and where == "times.jsonl":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), where)
        return opened(path, *words, **more)

    with monkeypatch.context() as patch:
        patch.setattr(results_module.os, "fsync", full)
        patch.setattr(Path, "open", refused)
        with pytest.raises(ResultsError, match="No space left on device; finished trials are kept") as error:
            run_study(toy, args, RunOptions(folder, threads=1))
    assert "\n" not in str(error.value)
    run_study(toy, args, RunOptions(folder, threads=1))
    assert (folder / "rows.jsonl").read_bytes() == (whole / "rows.jsonl").read_bytes()


def test_a_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / ("a" * 300)):
        with pytest.raises(ResultsError, match="File exists|Not a directory|File name too long"):
            run_study(toy, toy.TOY, RunOptions(folder, threads=1))


@pytest.mark.parametrize("content", ['{"x": 1}\n', "5\n"])
def test_rows_of_something_else_are_refused_and_left_alone(content: str, tmp_path: Path) -> None:
    run_study(toy, toy.TOY, RunOptions(tmp_path, threads=1))
    (tmp_path / "rows.jsonl").write_text(content)
    with pytest.raises(ResultsError, match="line 1 is no row of a study"):
        run_study(toy, toy.TOY, RunOptions(tmp_path, threads=1))
    with pytest.raises(ResultsError, match="line 1 is no row of a study"):
        read_rows(tmp_path)
    assert (tmp_path / "rows.jsonl").read_text() == content


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_folder_that_was_deleted_or_replaced_is_not_written(is_replaced: bool, tmp_path: Path) -> None:
    results = Results(tmp_path / "a", ABOUT, ["one"]) if (tmp_path / "a").mkdir() is None else None
    assert results is not None
    (tmp_path / "a").rename(tmp_path / "b")
    if is_replaced:
        (tmp_path / "a").mkdir()
        Results(tmp_path / "a", ABOUT, ["one"])
    with pytest.raises(ResultsError, match="was deleted or replaced while the study ran"):
        results.keep(0, [{"k": 1}], 0.0)
    assert read_rows(tmp_path / "a") == read_rows(tmp_path / "b") == []
