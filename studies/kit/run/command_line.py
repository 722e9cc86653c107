"""The commands of `python -m studies`: run a study, draw its figures again, archive and restore results."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, Final

import tyro

from ..report.results_page import results_page
from ..report.terminal import plain_console, print_rows, progress_of
from . import archive as archiving
from .archive import ARCHIVES
from .catalog import UnknownStudy, import_study, study_of
from .executors import WorkersLost
from .references import BadReference, one_line
from .results import read_manifest, read_rows
from .rows import ResultsError
from .runner import RunOptions, TrialFailed, plan_trials, run_study


def execute(words: Sequence[str]) -> int:
    """Carry out a command, or run a study.

    Returns:
        the status for the shell: 1 if it failed, 2 if the words could not be understood, 130 if it was
        interrupted.
    """
    name, *rest = words
    try:
        if name in COMMANDS:
            tyro.cli(COMMANDS[name], prog=f"python -m studies {name}", args=rest)
        else:
            run(name, rest)
        sys.stdout.flush()
    except (UnknownStudy, BadReference) as error:
        return _refuse(str(error), 2)
    except KeyboardInterrupt:
        return _refuse("interrupted; finished trials are kept, and the same command goes on from them", 130)
    except (ResultsError, TrialFailed, WorkersLost) as error:
        return _refuse(str(error), 1)
    except (OSError, ValueError) as error:  # BadData is one
        return _refuse(one_line(error), 1)
    except Exception as error:  # a traceback follows
        _refuse(type(error).__name__, 1)
        raise
    return 0


def _refuse(message: str, status: int) -> int:
    """Say in one line why a command failed, and return the status."""
    with suppress(OSError):  # standard output may be full or closed: what it still holds is lost
        sys.stdout.flush()
    with suppress(OSError):
        plain_console(error=True).print(" ".join(message.split()), style="red", soft_wrap=True)
    return status


def run(name: str, words: Sequence[str]) -> None:
    """Run a study with the arguments that its flags name, and print its table."""
    study = import_study(name)
    parsed: Any = tyro.cli(
        make_dataclass("Arguments", [("args", study.Args), ("options", RunOptions)], frozen=True),
        prog=f"python -m studies {name}",
        description=study.__doc__,
        args=words,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    with progress_of(plain_console(), len(plan_trials(study, parsed.args))) as show:
        folder = run_study(study, parsed.args, parsed.options, show)
    _print_results(study, folder)


def draw(folder: tyro.conf.Positional[Path]) -> None:
    """Draw the figures of a results folder again from its rows, and print its table.

    Args:
        folder: results of a study, finished or not.
    """
    manifest, rows = read_manifest(folder), read_rows(folder)
    study = study_of(manifest)
    study.figures(rows, folder)
    _print_results(study, folder)
    finished, planned = len({row["trial"] for row in rows}), len(manifest["seeds"]["trials"])
    if finished < planned:
        plain_console().print(f"unfinished: {finished} of {planned} trials")


def archive(folder: tyro.conf.Positional[Path], into: Path | None = None) -> None:
    """Write manifest and rows of a results folder to an archive, small enough for a repository.

    A run that is not finished, or is going on, is archived as far as it has come.

    Args:
        folder: results of a study.
        into: where archives are kept, as STUDY/HASH; by default docs/archive, if it is here.
    """
    plain_console().print(f"archive: {archiving.archive(folder, into)}", soft_wrap=True)


def restore(archive: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Unpack an archive into a results folder.

    If its run was not finished, give the study the same arguments again, and it goes on from there.

    Args:
        archive: a folder STUDY/HASH that `archive` wrote.
        out: results folder; by default results/STUDY-HASH, where the run would have put it.
    """
    plain_console().print(f"results: {archiving.restore(archive, out)}", soft_wrap=True)


def results(archives: Path = ARCHIVES, out: Path | None = None) -> None:
    """Write the page of results of all archives, as Markdown.

    Args:
        archives: where archives are kept.
        out: the page; by default results.md beside the archives.
    """
    page = out or archives.parent / "results.md"
    page.write_text(results_page(archives))
    plain_console().print(f"page: {page}", soft_wrap=True)


def _print_results(study: Any, folder: Path) -> None:
    """The table of a results folder, and where its figures and rows are."""
    console = plain_console()
    print_rows(console, study.table(read_rows(folder)))
    for path in sorted(folder.glob("*.png")):
        console.print(f"picture: {path.resolve()}", soft_wrap=True)
    console.print(f"rows:    {(folder / 'rows.jsonl').resolve()}", soft_wrap=True)


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "draw": draw,
    "archive": archive,
    "restore": restore,
    "results": results,
}
