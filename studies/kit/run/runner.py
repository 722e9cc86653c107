"""Carry a study's trials out: here, over processes, or over a dask cluster; and go on after a kill."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED
from concurrent.futures import Executor
from concurrent.futures import Future
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import Any

import torch
from filelock import FileLock
from filelock import Timeout

from .results import Refused
from .results import Results
from .results import identity
from .results import manifest
from .results import read
from .study import How
from .study import Row
from .study import Show
from .study import Study
from .study import Trial
from .study import short_name

Run = Callable[[Any], Iterator[Row]]


def conduct(study: Study, args: Any, how: How = How(), show: Show = lambda name, row: None) -> Path:
    """Run what is missing of a study and return its results folder.

    The folder gets `manifest.json`, `rows.jsonl` (in plan order, whole trials), `times.jsonl` and
    figures. A run that was killed goes on with the missing trials; its rows end up the same.

    Raises:
        Refused: the folder was made by other arguments, or another run is using it.
    """
    trials = list(study.plan(args))
    names = [t.name for t in trials]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"{study.__name__}: a plan needs trials with different names, got {names}")
    made = manifest(study, args, how.share, names)
    folder = Path(how.out or f"results/{short_name(study)}-{identity(made)}")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            results = Results(folder, made, names)
            todo = results.missing
            if how.workers == 1 and how.cluster is None:
                for i in todo:  # one after another, up to the first that fails
                    results.keep(i, *_here(study.run, trials[i], how.share, show))
            else:
                _spread(study.run, {i: trials[i] for i in todo}, how, show, results)
            results.close()
            study.figures(read(folder), folder)
    except Timeout:
        raise Refused(f"{folder}: another run is using it; wait, or give another --out") from None
    return folder


def _spread(run: Run, todo: dict[int, Trial], how: How, show: Show, results: Results) -> None:
    failed: dict[str, BaseException] = {}
    with _executor(how) as (executor, progress):
        running: dict[Future[tuple[list[Row], float]], int] = {
            executor.submit(_there, run, trial, how.share): i for i, trial in todo.items()
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
def _executor(how: How) -> Iterator[tuple[Executor, Any]]:
    """Something to submit trials to, and a queue of rows to show as they come, if it has one."""
    if how.cluster is not None:
        from distributed import Client  # the extra "dask"

        with Client(how.cluster) as client:
            yield client.get_executor(), None
        return
    context = multiprocessing.get_context("spawn")
    progress = context.Queue()
    pool = ProcessPoolExecutor(how.workers, context, initializer=_start, initargs=(progress,))
    try:
        yield pool, progress
    finally:
        pool.shutdown(cancel_futures=True)


_progress: Any = None  # in a worker process: the queue of rows to show


def _start(progress: Any) -> None:
    """Begin a worker process; it must not outlive a parent that was killed."""
    global _progress
    _progress = progress
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _there(run: Run, trial: Trial, threads: int) -> tuple[list[Row], float]:
    queue = _progress
    return _here(run, trial, threads, lambda name, row: queue.put((name, row)) if queue else None)


def _here(run: Run, trial: Trial, threads: int, show: Show) -> tuple[list[Row], float]:
    before, began = torch.get_num_threads(), time.perf_counter()
    rows: list[Row] = []
    torch.set_num_threads(threads)
    try:
        for row in run(trial):
            rows.append(row)
            show(trial.name, row)
    finally:
        torch.set_num_threads(before)
    return rows, time.perf_counter() - began
