"""Archives of results: what a repository keeps of a run, finished or not, so that it outlives its machine.

`find_archive("heirs", teachers=6)` is how tables and documents get at archived rows.
"""

import gzip
import json
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from .manifest import identity, to_json
from .results import Results, operating_errors, read_manifest, read_trials
from .rows import ResultsError, rows_of, whole_trials
from .runner import alone_in
from .study import Row

ARCHIVES: Final = Path("docs/archive")
FILE_LIMIT: Final = 600_000  # bytes of a file; 60,000 rows of `lineage` come to 547,000
LIMIT: Final = 10_000_000  # bytes of all archives together
_MANIFEST, _ROWS = "manifest.json", "rows.jsonl.gz"


class StoredRun(NamedTuple):
    """A run as it is kept, in a results folder or in an archive, finished or not."""

    place: Path
    manifest: Row
    trials: dict[str, str]  # the lines of every finished trial by its name

    @property
    def rows(self) -> list[Row]:
        """The rows of finished trials, each with its trial's name under "trial"."""
        return rows_of("".join(self.trials.values()))

    @property
    def study(self) -> str:
        """The study's name, without its package."""
        return str(self.manifest["made_by"]["study"]).rpartition(".")[2]

    @property
    def planned(self) -> int:
        """How many trials its plan has."""
        return len(self.manifest["seeds"]["trials"])

    @property
    def is_finished(self) -> bool:
        """Whether it has every trial of the plan."""
        return {*self.trials} == {*self.manifest["seeds"]["trials"]}


def is_archive(place: Path) -> bool:
    """Whether a folder is an archive; else it may be a results folder."""
    return (place / _ROWS).exists()


def archive(folder: Path, archives: Path | None = None) -> Path:
    """Write the manifest and the rows of all finished trials to `archives/STUDY/HASH`.

    The same rows give the same bytes. Of a run that is going on, what has finished is archived.

    Args:
        folder: results of a study.
        archives: where archives are kept; by default docs/archive of the folder that Python runs in.

    Returns:
        the archive.

    Raises:
        ResultsError: the folder holds no results or is an archive, they are too large, there is no
            docs/archive here, or the archive cannot be written.
    """
    manifest = read_manifest(folder)
    if is_archive(folder):
        raise ResultsError(f"{folder}: is an archive already; give a results folder, such as `restore` makes")
    if archives is None and not ARCHIVES.is_dir():
        raise ResultsError(f"{ARCHIVES}: there is no such folder here; give --into, or make it")
    archives = archives or ARCHIVES
    place = archives / _study(manifest) / identity(manifest)
    with operating_errors(folder):
        content = (folder / _MANIFEST).read_bytes()
    rows = "".join(finished_trials(folder).values())
    files = {_MANIFEST: content, _ROWS: gzip.compress(rows.encode(), mtime=0)}
    for name, content in files.items():
        if len(content) > FILE_LIMIT:
            raise ResultsError(f"{folder}: {name} would have {len(content)} bytes, at most {FILE_LIMIT}")
    with operating_errors(place):
        others = [p for p in archives.rglob("*") if p.is_file() and p.parent != place]
        total = sum(p.stat().st_size for p in others) + sum(map(len, files.values()))
        if total > LIMIT:
            raise ResultsError(f"{archives}: archives would have {total} bytes, at most {LIMIT}; delete some")
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            part = place / f"{name}.part"
            part.write_bytes(content)
            part.replace(place / name)
    return place


def restore(place: Path, folder: Path | None = None) -> Path:
    """Unpack an archive into a results folder, from which the study goes on if it is not finished.

    Args:
        place: what `archive` returned.
        folder: by default results/STUDY-HASH, where the same arguments and code would have put it.

    Returns:
        the folder.

    Raises:
        ResultsError: there is no whole archive, or results are in the folder already.
    """
    kept = read_archive(place)
    folder = folder or Path(f"results/{_study(kept.manifest)}-{identity(kept.manifest)}")
    if (folder / _MANIFEST).exists():
        raise ResultsError(f"{folder}: holds results already; delete it, or give another --out")
    names = kept.manifest["seeds"]["trials"]
    with alone_in(folder):
        results = Results(folder, kept.manifest, names)
        for name, text in kept.trials.items():
            results.keep_lines(names.index(name), text)
        results.close()
    return folder


def finished_trials(folder: Path) -> dict[str, str]:
    """The lines of every finished trial of a results folder, in plan order, also of a run that is going on.

    Raises:
        ResultsError: it is no results folder, or cannot be read.
    """
    with operating_errors(folder):
        waiting = sorted((folder / "spool").glob("*.json"))
    trials: dict[str, str] = {}
    for path in (*waiting, folder / "rows.jsonl"):  # in this order: what waits moves to the rows
        trials |= read_trials(path)
    return {name: trials[name] for name in read_manifest(folder)["seeds"]["trials"] if name in trials}


def read_archive(place: Path) -> StoredRun:
    """Read an archive.

    Raises:
        ResultsError: there is none, or it is damaged, too large, or of another format.
    """
    manifest, path = read_manifest(place), place / _ROWS
    with operating_errors(path):
        packed = path.read_bytes() if path.stat().st_size <= FILE_LIMIT else b""
    try:
        content = gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        content = b"damaged"
    trials = whole_trials(content, path)
    if "".join(trials.values()).encode() != content or not {*trials} <= {*manifest["seeds"]["trials"]}:
        raise ResultsError(f"{path}: is damaged, or larger than {FILE_LIMIT} bytes")
    return StoredRun(place, manifest, trials)


def find_archives(study: str, archives: Path = ARCHIVES, **settings: Any) -> list[StoredRun]:
    """The archives of a study that were made with given settings.

    Args:
        study: its name on the command line.
        archives: where archives are kept.
        settings: arguments of the study; what is not given may be anything.

    Raises:
        ResultsError: one of the study's archives is damaged.
    """
    found = [read_archive(path.parent) for path in sorted((archives / study).glob(f"*/{_MANIFEST}"))]
    wanted = {name: json.loads(json.dumps(to_json(value))) for name, value in settings.items()}
    return [a for a in found if all(a.manifest["made_by"].get(k, ...) == v for k, v in wanted.items())]


def find_archive(study: str, archives: Path = ARCHIVES, **settings: Any) -> StoredRun:
    """The one finished archive of a study that was made with given settings.

    Args:
        study: its name on the command line.
        archives: where archives are kept.
        settings: arguments of the study; what is not given may be anything.

    Raises:
        ResultsError: there is none, or more than one, or it is damaged.
    """
    found = [a for a in find_archives(study, archives, **settings) if a.is_finished]
    if len(found) != 1:
        where = f"{archives / study}: {len(found)} finished archives"
        raise ResultsError(
            f"{where} with {settings}, wanted one{': ' if found else ''}"
            + ", ".join(a.place.name for a in found)
        )
    return found[0]


def _study(manifest: Row) -> str:
    name = str(manifest["made_by"].get("study")).rpartition(".")[2]
    if not name.isidentifier():
        raise ResultsError(f"{name!r}: is no study's name; is this a manifest of ours?")
    return name
