"""Run a study's trials here, over processes, or over a dask cluster; and go on after a kill."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import torch
from filelock import FileLock, Timeout

from .manifest import identity, manifest
from .results import Results, ResultsError, read_rows
from .study import Row, Show, Study, Trial, short_name

Run = Callable[[Any], Iterator[Row]]


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; of it, rows depend only on `threads` (and on the kind of CPU).

    Raises:
        ValueError: `workers` or `threads` is below 1.
    """

    # results folder; by default results/NAME-HASH, HASH of arguments, data and code
    out: Path | None = None
    # processes
    workers: int = 1
    # torch threads of each worker, by default cores / workers; 1 on a busy machine
    threads: int | None = None
    # address of a dask scheduler to run the trials on (extra "dask")
    cluster: str | None = None

    def __post_init__(self) -> None:
        if self.workers < 1 or (self.threads is not None and self.threads < 1):
            raise ValueError(f"workers and threads are at least 1, got {self.workers} and {self.threads}")

    @property
    def worker_threads(self) -> int:
        """Torch threads of each worker."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.workers)


def run_study(
    study: Study, args: Any, options: RunOptions = RunOptions(), show: Show = lambda name, row: None
) -> Path:
    """Run what is missing of a study.

    The folder gets `manifest.json`, `rows.jsonl` (in plan order, whole trials), `times.jsonl` and
    figures. A run that was killed goes on with the missing trials; its rows end up the same.

    Args:
        args: an instance of `study.Args`.
        show: is called with a trial's name and each of its rows, and once for a trial that was done before.

    Returns:
        the results folder.

    Raises:
        ResultsError: the folder was made by other arguments or code, or another run is using it.
        ValueError: trials have no names of their own, or an argument has no stable description.
        RuntimeError: trials failed in workers; those that did not are kept.
    """
    trials = list(study.plan(args))
    names = [t.name for t in trials]
    if not names:
        raise ValueError(
            f"{short_name(study)}: these arguments make no trial at all; ask for at least one chip"
        )
    if len(set(names)) != len(names):
        raise ValueError(f"{study.__name__}: a plan needs trials with different names, got {names}")
    about = manifest(study, args, options.worker_threads, names)
    folder = Path(options.out or f"results/{short_name(study)}-{identity(about)}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            results = Results(folder, about, names)
            todo = results.missing
            for i in sorted({*range(len(names))} - {*todo}):
                show(names[i], {"done": 1.0})
            if options.workers == 1 and options.cluster is None:
                for i in todo:  # one after another, up to the first that fails
                    results.keep(i, *_run_trial(study.run, trials[i], options.worker_threads, show))
            else:
                _run_in_workers(study.run, {i: trials[i] for i in todo}, options, show, results)
            results.close()
            study.figures(read_rows(folder), folder)
    except Timeout:
        raise ResultsError(f"{folder}: another run is using it; wait, or give another --out") from None
    return folder


def _run_in_workers(
    run: Run, todo: dict[int, Trial], options: RunOptions, show: Show, results: Results
) -> None:
    failed: dict[str, BaseException] = {}
    with _executor(options) as (executor, progress):
        running: dict[Future[tuple[list[Row], float]], int] = {
            executor.submit(_run_in_worker, run, trial, options.worker_threads): i
            for i, trial in todo.items()
        }
        while running:
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            while progress is not None:
                try:
                    show(*progress.get_nowait())
                except Empty:
                    break
            for future in done:
                index = running.pop(future)
                error = future.exception()
                if error is None:
                    results.keep(index, *future.result())
                else:
                    failed[todo[index].name] = error
    for name, error in failed.items():  # everything that could be finished is kept
        raise RuntimeError(
            f"{len(failed)} of {len(todo)} trials failed; the first, {name!r}: {error}"
        ) from error


@contextmanager
def _executor(options: RunOptions) -> Iterator[tuple[Executor, Any]]:
    """Something to submit trials to, and a queue of rows to show as they come, if it has one."""
    if options.cluster is not None:
        from distributed import Client  # the extra "dask"

        with Client(options.cluster) as client:
            yield client.get_executor(), None
        return
    context = multiprocessing.get_context("spawn")
    progress = context.Queue()
    pool = ProcessPoolExecutor(options.workers, context, initializer=_start_worker, initargs=(progress,))
    try:
        yield pool, progress
    finally:
        pool.shutdown(cancel_futures=True)


_progress: Any = None  # in a worker process: the queue of rows to show


def _start_worker(progress: Any) -> None:
    """Begin a worker process; it must not outlive a parent that was killed."""
    global _progress
    _progress = progress
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _run_in_worker(run: Run, trial: Trial, threads: int) -> tuple[list[Row], float]:
    queue = _progress
    return _run_trial(run, trial, threads, lambda name, row: queue.put((name, row)) if queue else None)


def _run_trial(run: Run, trial: Trial, threads: int, show: Show) -> tuple[list[Row], float]:
    before, began = torch.get_num_threads(), time.perf_counter()
    rows: list[Row] = []
    torch.set_num_threads(threads)
    try:
        for row in run(trial):
            rows.append(row)
            show(trial.name, row)
    except Exception as error:
        error.add_note(f"raised by trial {trial.name!r}")
        raise
    finally:
        torch.set_num_threads(before)
    return rows, time.perf_counter() - began
