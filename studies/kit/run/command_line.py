"""The commands of `python -m studies`: run a study; report, list, compare, archive and restore results."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, Final

import tyro

from ..report.comparison import agreement, compared_tables, differing_arguments, differing_trials
from ..report.report import REPORT, write_report
from ..report.results_page import results_page
from ..report.terminal import plain_console, print_rows, progress_of
from . import archive as archiving
from .archive import ARCHIVES, StoredRun, is_archive
from .catalog import UnknownStudy, import_study, study_of
from .executors import WorkersLost
from .references import BadReference, one_line
from .results import operating_errors, read_rows
from .rows import ResultsError
from .runner import RunOptions, TrialFailed, finish, opened_run
from .spelling import require_known_words
from .stored_runs import list_runs, read_run
from .study import Row


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
    study = import_study(name, [*COMMANDS])
    require_known_words(name, words, study.Args, RunOptions)
    parsed: Any = tyro.cli(
        make_dataclass("Arguments", [("args", study.Args), ("options", RunOptions)], frozen=True),
        prog=f"python -m studies {name}",
        description=study.__doc__,
        args=words,
        config=(tyro.conf.OmitArgPrefixes,),
    )
    with (
        opened_run(study, parsed.args, parsed.options) as opened,
        progress_of(plain_console(), len(opened.trials)) as show,
    ):
        folder = finish(opened, show)
    _print_results(study, read_rows(folder), folder)


def report(folder: tyro.conf.Positional[Path], out: Path | None = None) -> None:
    """Write the report of a run again from its rows, with its table and figures, and print where it is.

    Args:
        folder: results of a study, finished or not, or an archive.
        out: where to write; by default the results folder, and of an archive reports/STUDY-HASH.
    """
    run = read_run(folder)
    study = study_of(run.manifest)
    place = out or (Path(f"reports/{run.study}-{folder.name}") if is_archive(folder) else folder)
    with operating_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        write_report(study, run.manifest, run.rows, place)
    _print_results(study, run.rows, place)
    if len(run.trials) < run.planned:
        plain_console().print(f"unfinished: {len(run.trials)} of {run.planned} trials")


def list_results(root: tyro.conf.Positional[Path] = Path("results")) -> None:
    """List the runs in a folder: study, when it began, how far it has come, arguments that are not defaults.

    Args:
        root: results, or archives.
    """
    print_rows(plain_console(), list_runs(root))


def compare(first: tyro.conf.Positional[Path], second: tyro.conf.Positional[Path]) -> None:
    """Compare two runs of one study: arguments that differ, and the closing tables side by side.

    Args:
        first: results of a study, finished or not, or an archive.
        second: others of the same study; differences are these less the first.
    """
    runs, console = [read_run(place) for place in (first, second)], plain_console()
    if runs[0].study != runs[1].study:
        raise ResultsError(f"{first} is of {runs[0].study}, {second} of {runs[1].study}; wanted one study")
    one, other = (run.manifest for run in runs)
    print_rows(console, differing_arguments(one, other) or [{"of": "nothing", "first": "", "second": ""}])
    for line in (differing_trials(one, other), *map(_unfinished, runs)):
        if line:
            console.print(line, soft_wrap=True)
    study = study_of(one)
    lines = compared_tables(*(study.table(run.rows) for run in runs))
    print_rows(console, lines)
    if found := agreement(lines):
        console.print(found)


def _unfinished(run: StoredRun) -> str:
    """How far a run has come, if it is not finished."""
    done = len(run.trials)
    return f"{run.place}: unfinished, {done} of {run.planned} trials" if done < run.planned else ""


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


def _print_results(study: Any, rows: Sequence[Row], folder: Path) -> None:
    """The table of a run, and where its figures, rows and report are."""
    console = plain_console()
    with suppress(Exception):  # of some trials alone a study may not be able to make one
        print_rows(console, study.table(rows))
    for path in sorted(folder.glob("*.png")):
        console.print(f"picture: {path.resolve()}", soft_wrap=True)
    if (folder / "rows.jsonl").exists():
        console.print(f"rows:    {(folder / 'rows.jsonl').resolve()}", soft_wrap=True)
    console.print(f"report:  {(folder / REPORT).resolve()}", soft_wrap=True)


COMMANDS: Final[dict[str, Callable[..., None]]] = {
    "report": report,
    "list": list_results,
    "compare": compare,
    "archive": archive,
    "restore": restore,
    "results": results,
}
