"""A results folder: a manifest of what made it, and rows that survive a kill at any moment.

`rows.jsonl` only ever grows, a whole trial at a time and in plan order. A trial that finishes before its
turn waits in `spool/`, written all or nothing, so nothing that was computed is lost.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from .study import Row


class ResultsError(RuntimeError):
    """A results folder that cannot be gone on with."""


def read_rows(folder: Path) -> list[Row]:
    """All rows of a results folder, each with its trial's name under "trial"."""
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Results:
    """An open results folder for a plan of trials; the caller holds its lock.

    Raises:
        ResultsError: the folder was made by other arguments, or is not one of ours.
    """

    def __init__(self, folder: Path, manifest: Row, names: Sequence[str]) -> None:
        self._names = list(names)
        self._rows = folder / "rows.jsonl"
        self._times = folder / "times.jsonl"
        self._spool = folder / "spool"
        _agree(folder, manifest)
        self._spool.mkdir(exist_ok=True)
        self._turn = self._recover()
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
        """
        name = self._names[index]
        for number, row in enumerate(rows):
            _require_json(f"trial {name!r}, row {number}", row)
        if not rows or any("trial" in row for row in rows):
            raise ValueError(f"trial {name!r}: a trial yields at least one row, and no row has a key 'trial'")
        _write(self._waiting(index), "".join(json.dumps({"trial": name, **row}) + "\n" for row in rows))
        with self._times.open("a") as file:
            file.write(json.dumps({"trial": name, "seconds": round(seconds, 3)}) + "\n")
        self._settle()

    def keep_lines(self, index: int, lines: str) -> None:
        """Keep a finished trial's rows as another results folder holds them."""
        _write(self._waiting(index), lines)
        self._settle()

    def close(self) -> None:
        """All trials are in."""
        if not any(self._spool.iterdir()):
            self._spool.rmdir()

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

    def _recover(self) -> int:
        """Cut what a kill left half written; return how many trials are whole."""
        if not self._rows.exists():
            return 0
        text = self._rows.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines(keepends=True)
        while lines and self._is_waiting(lines[-1]):  # killed between the append and the unlink
            lines.pop()
        if "".join(lines) != text:
            _write(self._rows, "".join(lines))
        whole = list(dict.fromkeys(json.loads(line)["trial"] for line in lines))
        if whole != self._names[: len(whole)]:
            raise ResultsError(f"{self._rows}: holds other trials than this study's plan; give another --out")
        return len(whole)

    def _is_waiting(self, line: str) -> bool:
        name = json.loads(line)["trial"]
        return name in self._names and self._waiting(self._names.index(name)).exists()


def read_manifest(folder: Path) -> Row:
    """The manifest of a results folder.

    Raises:
        ResultsError: it has none, or one that is not ours.
    """
    path = folder / "manifest.json"
    try:
        manifest: Row = json.loads(path.read_text())
        dict(manifest["made_by"])
    except FileNotFoundError:
        raise ResultsError(f"{folder}: is not a results folder, it has no manifest.json") from None
    except (ValueError, KeyError, TypeError):
        raise ResultsError(f"{path}: is not a manifest of ours; give another --out") from None
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


def _write(path: Path, text: str) -> None:
    """Write a file, all or nothing."""
    part = path.with_suffix(".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _require_json(where: str, row: object) -> None:
    """Refuse a row that cannot be kept, by the key that is at fault."""
    if not isinstance(row, dict):
        raise ValueError(f"{where}: is a {type(row).__name__}, wanted a dictionary; does run yield its rows?")
    for key, value in row.items():
        try:
            json.dumps(value)
        except TypeError:
            kind = type(value).__name__
            raise ValueError(
                f"{where}: {key!r} is a {kind}, which no file holds; make it numbers or words"
            ) from None
