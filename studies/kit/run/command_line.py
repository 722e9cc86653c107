"""The commands of `python -m studies`: run a study, draw its figures again, archive and restore results."""

from collections.abc import Callable, Sequence
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, Final

import tyro
from rich.console import Console

from learners.data import BadData

from ..report.terminal import print_rows, progress_of
from . import archive as archives
from .catalog import UnknownStudy, import_study, study_of
from .references import BadReference
from .results import ResultsError, read_manifest, read_rows
from .runner import RunOptions, run_study


def execute(words: Sequence[str]) -> int:
    """Carry out a command, or run a study.

    Returns:
        the status for the shell: 1 if it failed, 2 if the words could not be understood.
    """
    console, (name, *rest) = Console(), words
    try:
        if name in COMMANDS:
            tyro.cli(COMMANDS[name], prog=f"python -m studies {name}", args=rest)
        else:
            run(name, rest)
    except (UnknownStudy, BadReference) as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    except (BadData, ResultsError, ValueError) as error:
        message = ", ".join((f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())))
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
        return 1
    except Exception as error:  # a traceback follows; it begins far from the trial
        message = ", ".join((type(error).__name__, *getattr(error, "__notes__", ())))
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
        raise
    return 0


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
    with progress_of(Console(), len(study.plan(parsed.args))) as show:
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
        Console().print(f"unfinished: {finished} of {planned} trials", highlight=False)


def archive(folder: tyro.conf.Positional[Path], into: Path = archives.ARCHIVES) -> None:
    """Write manifest and rows of a results folder to an archive, small enough for a repository.

    A run that is not finished, or is going on, is archived as far as it has come.

    Args:
        folder: results of a study.
        into: where archives are kept, as STUDY/HASH.
    """
    Console().print(f"archive: {archives.archive(folder, into)}", soft_wrap=True, highlight=False)


def restore(archive: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Unpack an archive into a results folder.

    If its run was not finished, give the study the same arguments again, and it goes on from there.

    Args:
        archive: a folder STUDY/HASH that `archive` wrote.
        out: results folder; by default results/STUDY-HASH, where the run would have put it.
    """
    Console().print(f"results: {archives.restore(archive, out)}", soft_wrap=True, highlight=False)


def _print_results(study: Any, folder: Path) -> None:
    """The table of a results folder, and where its figures and rows are."""
    console = Console()
    print_rows(console, study.table(read_rows(folder)))
    for path in sorted(folder.glob("*.png")):
        console.print(f"picture: {path.resolve()}", soft_wrap=True, highlight=False)
    console.print(f"rows:    {(folder / 'rows.jsonl').resolve()}", soft_wrap=True, highlight=False)


COMMANDS: Final[dict[str, Callable[..., None]]] = {"draw": draw, "archive": archive, "restore": restore}
