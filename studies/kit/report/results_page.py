"""The page of results: the table of every archived run, with its command, written as Markdown."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..run.archive import StoredRun, read_archive
from ..run.catalog import catalog, study_of
from ..run.study import claim, short_name
from .markdown import markdown_table

_HEAD = """\
# Results

Made from [the archived rows](archive) by `python -m studies results`; nothing here is written by hand. Each
table is the study's own, of the rows that the command beside it gave; `python -m studies restore ARCHIVE`
unpacks them, and the same command then goes on with what is missing. An interval is one of 95 % of the mean
over chips (Student's): one chip has none, and of chips that are all equal it says that they are, for they do
not tell how far others would lie apart. Energy is that of the device's `Costs`, with the assumptions that
stand there.
"""


def results_page(archives: Path) -> str:
    """Write the page of all archives in a folder, by study, in the order of the list of studies.

    Args:
        archives: a folder of STUDY/HASH, as `archive` writes them.

    Raises:
        ResultsError: an archive is damaged.
        UnknownStudy: its study cannot be found.
    """
    kept = [read_archive(path.parent) for path in sorted(archives.glob("*/*/manifest.json"))]
    order = [*catalog()]
    by_study: dict[str, list[StoredRun]] = {}
    for one in kept:
        by_study.setdefault(short_name(study_of(one.manifest)), []).append(one)
    names = sorted(by_study, key=lambda name: order.index(name) if name in order else len(order))
    sections = [line for name in names for line in _section(name, by_study[name], archives)]
    return "\n".join([_HEAD, *sections]).rstrip() + "\n"


def _section(name: str, archives: Sequence[StoredRun], folder: Path) -> Iterator[str]:
    study = study_of(archives[0].manifest)
    yield from (f"## {name}", "", claim(study), "")
    for kept in sorted(archives, key=lambda kept: str(kept.manifest["command"])):
        yield from (f"`{kept.manifest['command']}`", "", f"{_origin(kept, folder)}", "")
        yield from (*markdown_table(study.table(kept.rows)), "")


def _origin(kept: StoredRun, folder: Path) -> str:
    """How much of the plan there is, of which commit and where."""
    planned = len(kept.manifest["seeds"]["trials"])
    trials = (
        f"{planned} trials" if kept.is_finished else f"Unfinished: {len(kept.trials)} of {planned} trials"
    )
    commits = {str(state["commit"])[:8] for state in kept.manifest["git"].values()}
    of_commit = f", of commit {', '.join(sorted(commits))}" if commits else ""
    place = kept.place.relative_to(folder).as_posix()
    return f"{trials}{of_commit}; rows: [{place}]({folder.name}/{place})."
