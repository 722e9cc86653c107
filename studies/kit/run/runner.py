"""Run a study's trials here, over processes, or over a dask cluster; and go on after a kill."""

import os
import traceback
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from ..report.report import write_report
from .cluster import dask_cluster
from .executors import Workers, deaf_to_interrupts, processes
from .manifest import identity, manifest
from .needs import write_surroundings
from .ranges import Count, check_arguments
from .results import Results, operating_errors, read_manifest, read_rows
from .rows import ResultsError
from .study import Row, Show, Study, Trial, short_name
from .worker import run_trial

_TRACEBACK = "traceback.txt"


class TrialFailed(RuntimeError):
    """The code of a study, or of a part that it was given, raised an error; finished trials are kept."""


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; of it, rows depend only on `threads` (and on the kind of CPU).

    Raises:
        ValueError: `workers` or `threads` is below 1.
    """

    # results folder; by default results/NAME-HASH, HASH of arguments, data and code
    out: Path | None = None
    # processes
    workers: Count = 1
    # torch threads of each worker, by default $OMP_NUM_THREADS, else cores / workers; 1 on a busy machine
    threads: Count | None = None
    # address of a dask scheduler to run the trials on (extra "dask")
    cluster: str | None = None

    def __post_init__(self) -> None:
        check_arguments("run", self)

    @property
    def worker_threads(self) -> int:
        """Torch threads of each worker."""
        first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        by_default = int(first) if first.isdecimal() else (os.cpu_count() or 1) // self.workers
        return self.threads or max(1, by_default)


def run_study(
    study: Study, args: Any, options: RunOptions = RunOptions(), show: Show = lambda name, row: None
) -> Path:
    """Run what is missing of a study.

    The folder gets `manifest.json`, `surroundings.json` (where on this machine it was called), `rows.jsonl`
    (in plan order, whole trials), `times.jsonl`, figures as PNG and SVG, `table.csv`, `table.md` and
    `report.html`. A run that was killed goes on with the missing
    trials; its rows end up the same.

    Args:
        args: an instance of `study.Args`.
        show: is called with a trial's name and its rows as they come (from a cluster not more than two in a
            second), and with {"done": 1.0} for a trial that is kept, or was before.

    Returns:
        the results folder.

    Raises:
        ResultsError: the folder was made by other arguments or code, another run is using it, or it cannot
            be written.
        TrialFailed: a trial raised an error; `traceback.txt` in the folder says where.
        ValueError: an argument is out of its range or has no stable description, or trials have no names of
            their own.
        WorkersLost: a worker process was killed, or there is something wrong with the cluster.
    """
    with opened_run(study, args, options) as run:
        return finish(run, show)


class OpenRun(NamedTuple):
    """A run whose arguments and data are known to be good, and whose results folder nobody else uses."""

    study: Study
    args: Any
    options: RunOptions
    trials: dict[str, Trial]
    modules: dict[str, str]  # digests of the code that rows depend on
    results: Results


@contextmanager
def opened_run(study: Study, args: Any, options: RunOptions) -> Iterator[OpenRun]:
    """Open the results folder of a run; whatever is wrong with what was asked is refused here.

    Raises:
        ResultsError: the folder was made by other arguments or code, another run is using it, or it cannot
            be written.
        ValueError: an argument is out of its range or has no stable description, its data are bad, or trials
            have no names of their own.
    """
    trials = plan_trials(study, args)
    about = manifest(study, args, options.worker_threads, [*trials])
    folder = Path(options.out or f"results/{short_name(study)}-{identity(about)}")
    with alone_in(folder):
        results = Results(folder, about, [*trials])
        with operating_errors(folder):
            write_surroundings(folder, about["needs"])
        yield OpenRun(study, args, options, trials, about["modules"], results)


def finish(run: OpenRun, show: Show) -> Path:
    """Run the trials of a run that are missing, and write its report; the rest as in `run_study`.

    Returns:
        the results folder.
    """
    study, options, results = run.study, run.options, run.results
    missing = {*results.missing}
    todo = {i: trial for i, trial in enumerate(run.trials.values()) if i in missing}
    for i, name in enumerate(run.trials):
        if i not in missing:
            show(name, {"done": 1.0})
    if options.workers == 1 and options.cluster is None:
        _run_here(study, todo, options.worker_threads, show, results)
    else:
        workers = (
            processes(options.workers, show, study.__name__)
            if options.cluster is None
            else dask_cluster(options.cluster, study.__name__, run.args, run.modules, show)
        )
        _run_in_workers(study, todo, options.worker_threads, show, workers, results)
    results.close()
    with operating_errors(results.folder):
        (results.folder / _TRACEBACK).unlink(missing_ok=True)
        write_report(study, read_manifest(results.folder), read_rows(results.folder), results.folder)
    return results.folder


def plan_trials(study: Study, args: Any) -> dict[str, Trial]:
    """The trials of a study by their names, in the order of its plan.

    Raises:
        ValueError: an argument is out of its range, there is no trial, or trials have no names of their own.
    """
    check_arguments(short_name(study), args)
    trials = list(study.plan(args))
    names = [trial.name for trial in trials]
    if not names:
        raise ValueError(
            f"{short_name(study)}: these arguments make no trial at all; ask for at least one chip"
        )
    if len(set(names)) != len(names):
        raise ValueError(f"{study.__name__}: a plan needs trials with different names, got {names}")
    return dict(zip(names, trials, strict=True))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a results folder and keep other runs out of it.

    Raises:
        ResultsError: it cannot be made, or another run is using it.
    """
    with operating_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            message = f"{folder}: another run is using it; wait, or give another --out"
            raise ResultsError(message) from None
    try:
        yield
    finally:
        lock.release()


def _run_here(study: Study, todo: dict[int, Trial], threads: int, show: Show, results: Results) -> None:
    """Run trials one after another, up to the first that fails."""
    for index, trial in todo.items():
        try:
            rows, seconds = run_trial(study.run, trial, threads, show)
        except Exception as error:
            raise _failure(results.folder, {trial.name: error}, len(todo)) from error
        results.keep(index, rows, seconds)


def _run_in_workers(
    study: Study,
    todo: dict[int, Trial],
    threads: int,
    show: Show,
    workers: AbstractContextManager[Workers],
    results: Results,
) -> None:
    """Run trials in workers; all that can be finished are kept before the first that failed is reported."""
    failed: dict[str, BaseException] = {}
    with workers as (executor, run, look):
        running: dict[Future[tuple[list[Row], float]], int] = {}
        with deaf_to_interrupts():
            for index, trial in todo.items():
                running[executor.submit(run, study.run, trial, threads)] = index
        while running:
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            look()
            for future in done:
                index = running.pop(future)
                error = future.exception()
                if isinstance(error, BrokenProcessPool):
                    raise error
                if error is None:
                    results.keep(index, *future.result())
                    show(todo[index].name, {"done": 1.0})
                else:
                    failed[todo[index].name] = error
    for error in failed.values():
        raise _failure(results.folder, failed, len(todo)) from error


def _failure(folder: Path, failed: dict[str, BaseException], trials: int) -> TrialFailed:
    """What is said of trials that failed; where the first did is written to a file, if that can be."""
    name, error = next(iter(failed.items()))
    message = f"{type(error).__name__}: {error}, raised by trial {name!r}"
    if len(failed) > 1:
        message += f"; {len(failed)} of {trials} trials failed"
    with suppress(OSError):
        (folder / _TRACEBACK).write_text("".join(traceback.format_exception(error)))
        message += f"; see {folder / _TRACEBACK}"
    return TrialFailed(message)
