"""Runs wherever they are kept, in results folders and in archives: read one, list them."""

import shlex
from datetime import UTC, datetime
from pathlib import Path

from .archive import StoredRun, finished_trials, is_archive, read_archive
from .results import read_manifest
from .rows import ResultsError
from .study import Row


def read_run(place: Path) -> StoredRun:
    """Read a results folder, also of a run that is going on, or an archive.

    Raises:
        ResultsError: it is neither, or is damaged.
    """
    if is_archive(place):
        return read_archive(place)
    return StoredRun(place, read_manifest(place), finished_trials(place))


def list_runs(root: Path) -> list[Row]:
    """A line for each run in a folder: where it is, of which study, when it began, and how far it has come.

    Args:
        root: is looked through two folders deep, as archives are STUDY/HASH.

    Raises:
        ResultsError: there is no such folder.
    """
    if not root.is_dir():
        raise ResultsError(f"{root}: there is no such folder; a run makes it, or name another")
    patterns = ("manifest.json", "*/manifest.json", "*/*/manifest.json")
    return [_line(path) for pattern in patterns for path in sorted(root.glob(pattern))]


def _line(path: Path) -> Row:
    try:
        run = read_run(path.parent)
    except ResultsError as error:
        return {"folder": str(path.parent), "study": "", "finished": f"cannot be read: {error}"}
    begun = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return {
        "folder": str(run.place),
        "study": run.study,
        "begun, UTC": begun.strftime("%Y-%m-%d %H:%M"),
        "finished": f"{len(run.trials)} of {run.planned}",
        "arguments": shlex.join(shlex.split(str(run.manifest["command"]))[4:]),
    }
