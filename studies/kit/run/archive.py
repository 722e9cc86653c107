"""Archives of results: what a repository keeps of a run, finished or not, so that it outlives its machine."""

import gzip
import json
from pathlib import Path

from filelock import FileLock, Timeout

from .manifest import identity
from .results import Results, ResultsError, read_manifest
from .study import Row

ARCHIVES = Path("docs/archive")
FILE_LIMIT = 200_000  # bytes of a file
LIMIT = 10_000_000  # bytes of all archives together
MANIFEST, ROWS = "manifest.json", "rows.jsonl.gz"


def archive(folder: Path, archives: Path = ARCHIVES) -> Path:
    """Write the manifest and the rows of all finished trials to `archives/STUDY/HASH`.

    The same rows give the same bytes. Of a run that is going on, the last trial in `rows.jsonl` is left out,
    because it may be half written.

    Args:
        folder: results of a study.
        archives: where archives are kept.

    Returns:
        the archive.

    Raises:
        ResultsError: the folder holds no results or is an archive, or they are too large.
    """
    manifest = read_manifest(folder)
    if (folder / ROWS).exists():
        raise ResultsError(f"{folder}: is an archive already; give a results folder, such as `restore` makes")
    place = archives / _study(manifest) / identity(manifest)
    rows = "".join(finished_trials(folder).values())
    files = {
        MANIFEST: (folder / MANIFEST).read_bytes(),
        ROWS: gzip.compress(rows.encode(), mtime=0),
    }
    for name, content in files.items():
        if len(content) > FILE_LIMIT:
            raise ResultsError(f"{folder}: {name} would have {len(content)} bytes, at most {FILE_LIMIT}")
    others = [p for p in archives.rglob("*") if p.is_file() and p.parent != place]
    total = sum(p.stat().st_size for p in others) + sum(map(len, files.values()))
    if total > LIMIT:
        raise ResultsError(f"{archives}: archives would have {total} bytes, at most {LIMIT}; delete some")
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def restore(archive: Path, folder: Path | None = None) -> Path:
    """Unpack an archive into a results folder, from which the study goes on if it is not finished.

    Args:
        archive: what `archive` returned.
        folder: by default results/STUDY-HASH, where the same arguments and code would have put it.

    Returns:
        the folder.

    Raises:
        ResultsError: there is no archive, or results are in the folder already.
    """
    manifest = read_manifest(archive)
    names = manifest["seeds"]["trials"]
    folder = folder or Path(f"results/{_study(manifest)}-{identity(manifest)}")
    if (folder / MANIFEST).exists():
        raise ResultsError(f"{folder}: holds results already; delete it, or give another --out")
    texts: dict[str, str] = {}
    for line in gzip.decompress((archive / ROWS).read_bytes()).decode().splitlines(keepends=True):
        name = json.loads(line)["trial"]
        texts[name] = texts.get(name, "") + line
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock", timeout=0):
        results = Results(folder, manifest, names)
        for name, text in texts.items():
            results.keep_lines(names.index(name), text)
        results.close()
    return folder


def finished_trials(folder: Path) -> dict[str, str]:
    """The lines of every finished trial by its name, also of a run that is going on."""
    names = read_manifest(folder)["seeds"]["trials"]
    try:
        with FileLock(folder / "lock", timeout=0):
            Results(folder, read_manifest(folder), names).close()  # cuts what a kill left half written
            return _trials(folder, names)
    except Timeout:
        return _trials(folder, names, running=True)


def _trials(folder: Path, names: list[str], running: bool = False) -> dict[str, str]:
    texts: dict[str, str] = {}
    path = folder / "rows.jsonl"
    for line in path.read_text().splitlines(keepends=True) if path.exists() else ():
        if line.endswith("\n"):
            name = json.loads(line)["trial"]
            texts[name] = texts.get(name, "") + line
    if running and texts:
        texts.popitem()
    for waiting in sorted((folder / "spool").glob("*.json"), key=lambda p: int(p.stem)):
        try:
            texts[names[int(waiting.stem)]] = waiting.read_text()
        except FileNotFoundError:  # taken up meanwhile
            continue
    return texts


def _study(manifest: Row) -> str:
    return str(manifest["made_by"]["study"]).rpartition(".")[2]
