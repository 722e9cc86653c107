"""A results folder: a manifest of what made it, and rows that survive a kill at any moment.

`rows.jsonl` grows a whole trial at a time and in plan order. A trial that finishes before its turn waits in
`spool/`, written all or nothing, so nothing that was computed is lost. What is damaged is run again, and what
comes behind it waits.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .rows import FORMAT, ResultsError, rows_of, trial_text, whole_trials
from .study import Row


def read_rows(folder: Path) -> list[Row]:
    """The rows of all trials in `rows.jsonl` that are whole, each with its trial's name under "trial".

    Raises:
        ResultsError: the file cannot be read, or holds something else.
    """
    return rows_of("".join(read_trials(folder / "rows.jsonl").values()))


def read_trials(path: Path) -> dict[str, str]:
    """The lines of every whole trial in a file of rows, by its name; none if there is no file.

    Raises:
        ResultsError: it cannot be read, or holds something else.
    """
    with operating_errors(path):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return {}
    return whole_trials(content, path)


class Results:
    """An open results folder for a plan of trials; the caller holds its lock.

    Raises:
        ResultsError: the folder was made by other arguments, is not one of ours, or cannot be written.
    """

    def __init__(self, folder: Path, manifest: Row, names: Sequence[str]) -> None:
        self._names = list(names)
        self.folder = folder
        self._rows = folder / "rows.jsonl"
        self._times = folder / "times.jsonl"
        self._spool = folder / "spool"
        self._turn = 0
        with operating_errors(folder):
            _agree(folder, manifest)
            self._stamp = _stamp(folder)
            self._spool.mkdir(exist_ok=True)
            self._recover()
            self._settle()

    @property
    def missing(self) -> list[int]:
        """Places in the plan of the trials still to be run."""
        return [i for i in range(self._turn, len(self._names)) if not self._waiting(i).exists()]

    def keep(self, index: int, rows: Sequence[Row], seconds: float) -> None:
        """Keep a finished trial's rows.

        Args:
            index: the trial's place in the plan.
            seconds: that it took.

        Raises:
            ValueError: there are no rows, or one that is no dictionary, is no JSON or has a key "trial".
            ResultsError: the folder cannot be written, or is no longer the one that was opened.
        """
        name = self._names[index]
        self.keep_lines(index, trial_text(name, rows))
        with operating_errors(self.folder), self._times.open("a") as file:
            file.write(json.dumps({"trial": name, "seconds": round(seconds, 3)}) + "\n")

    def keep_lines(self, index: int, lines: str) -> None:
        """Keep a finished trial's rows as another results folder holds them.

        Raises:
            ResultsError: the folder cannot be written, or is no longer the one that was opened.
        """
        with operating_errors(self.folder):
            if _stamp(self.folder) != self._stamp:
                raise ResultsError(f"{self.folder}: was deleted or replaced while the study ran")
            _write(self._waiting(index), lines)
            self._settle()

    def close(self) -> None:
        """Take leave of the folder, all of whose trials are in.

        Raises:
            ResultsError: rows were lost or altered while the study ran.
        """
        with operating_errors(self.folder):
            if not any(self._spool.iterdir()):
                self._spool.rmdir()
        if lost := {*self._names[: self._turn]} - {*read_trials(self._rows)}:
            raise ResultsError(
                f"{self._rows}: {len(lost)} trials were damaged while the study ran; "
                "the same command runs them again"
            )

    def _waiting(self, index: int) -> Path:
        return self._spool / f"{index}.json"

    def _settle(self) -> None:
        while self._turn < len(self._names) and self._waiting(self._turn).exists():
            with self._rows.open("a") as file:
                file.write(self._waiting(self._turn).read_text())
                file.flush()
                os.fsync(file.fileno())
            self._waiting(self._turn).unlink()
            self._turn += 1

    def _recover(self) -> None:
        """Keep what is whole, in plan order: what a gap in it precedes waits until the gap is filled."""
        whole = read_trials(self._rows)
        if not {*whole} <= {*self._names}:
            raise ResultsError(f"{self._rows}: holds other trials than this study's plan; give another --out")
        for index, name in enumerate(self._names):
            waiting = self._waiting(index)
            if waiting.exists() and name not in read_trials(waiting):
                waiting.unlink()
        while self._turn < len(self._names) and self._names[self._turn] in whole:
            self._turn += 1
        for index in range(self._turn, len(self._names)):
            if (name := self._names[index]) in whole:
                _write(self._waiting(index), whole[name])
        kept = "".join(whole[name] for name in self._names[: self._turn])
        if self._rows.exists() and self._rows.read_bytes() != kept.encode():
            _write(self._rows, kept)
        for index in range(self._turn):
            self._waiting(index).unlink(missing_ok=True)


@contextmanager
def operating_errors(place: Path) -> Iterator[None]:
    """Say in one line what the operating system refused to do with results: no space, no right, no folder.

    Raises:
        ResultsError: in place of an OSError.
    """
    try:
        yield
    except (OSError, NotImplementedError) as error:  # the latter by a lock that a file system does not know
        file = getattr(error, "filename", None) or place
        raise ResultsError(
            f"{file}: {getattr(error, 'strerror', None) or error}; finished trials are kept, "
            "and the same command goes on from them"
        ) from error


def read_manifest(folder: Path) -> Row:
    """The manifest of a results folder or an archive.

    Raises:
        ResultsError: it has none, or one that is not ours or of an earlier format.
    """
    path = folder / "manifest.json"
    try:
        with operating_errors(path):
            if not path.exists():
                raise ResultsError(f"{folder}: is not a results folder, it has no manifest.json")
            manifest: Row = json.loads(path.read_bytes())
        dict(manifest["made_by"])
    except (ValueError, KeyError, TypeError):
        raise ResultsError(f"{path}: is not a manifest of ours; give another --out") from None
    if manifest.get("format") != FORMAT:
        raise ResultsError(
            f"{folder}: was written in another format ({manifest.get('format', 1)}, wanted {FORMAT}), "
            "whose rows cannot be checked; run the study again, with another --out"
        )
    return manifest


def _agree(folder: Path, manifest: Row) -> None:
    path = folder / "manifest.json"
    if not path.exists():
        if (folder / "rows.jsonl").exists():
            raise ResultsError(f"{folder}: has rows but no manifest; give another --out")
        _write(path, json.dumps(manifest, indent=2) + "\n")
        return
    before, now = read_manifest(folder), json.loads(json.dumps(manifest))
    if before["made_by"] != now["made_by"]:
        gaps = _differences(before["made_by"], now["made_by"])
        if edited := [
            gap.partition(" ")[0] for gap in _differences(before.get("modules", {}), now.get("modules", {}))
        ]:
            gaps = [f"edited since: {', '.join(edited)}" if g.startswith("code_digest") else g for g in gaps]
        raise ResultsError(f"{folder}: was made by other arguments ({'; '.join(gaps)}); give another --out")


def _differences(before: Row, now: Row) -> list[str]:
    return [
        f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]


def _stamp(folder: Path) -> tuple[int, int] | None:
    """What tells a folder from another that took its place; None of one that is gone."""
    try:
        stat = (folder / "manifest.json").stat()
    except FileNotFoundError:
        return None
    return stat.st_ino, stat.st_mtime_ns


def _write(path: Path, text: str) -> None:
    """Write a file, all or nothing."""
    part = path.with_suffix(".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
