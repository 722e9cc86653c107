"""Processes of this machine that trials run in; they end when the one that started them does."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from queue import Empty
from typing import Any, NamedTuple

from .study import Row, Show
from .worker import run_in_worker, start_worker


class WorkersLost(RuntimeError):
    """Processes or machines that trials ran on are gone, or never came; finished trials are kept."""


class Workers(NamedTuple):
    """Something to submit trials to."""

    executor: Executor
    run: Callable[..., tuple[list[Row], float]]  # (run of the study, trial, threads): what to submit
    look: Callable[[], None]  # to be called now and then: shows progress, raises if the workers are gone


@contextmanager
def processes(count: int, show: Show, preload: str) -> Iterator[Workers]:
    """Processes of this machine; they end when this one does, or is killed, or fails.

    Args:
        count: how many.
        show: is called with the rows of all, as they come.
        preload: a module that all will need; where processes can be forked it is imported once for them all.

    Raises:
        WorkersLost: one of them was killed.
    """
    forks = "forkserver" in multiprocessing.get_all_start_methods()  # not on Windows
    context = multiprocessing.get_context("forkserver" if forks else "spawn")
    context.set_forkserver_preload([preload])
    progress: Any = context.Queue()
    held, lifeline = context.Pipe(duplex=False)

    def look() -> None:
        while True:
            try:
                show(*progress.get_nowait())
            except Empty:
                return

    pool = ProcessPoolExecutor(count, context, initializer=start_worker, initargs=(progress, held))
    try:
        yield Workers(pool, run_in_worker, look)
    except BrokenProcessPool as error:
        raise WorkersLost(
            "a worker process was killed, perhaps because memory ran out; finished trials are kept, and the "
            "same command goes on from them, perhaps with fewer --workers"
        ) from error
    except BaseException:
        lifeline.close()  # does not wait until running trials are done
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        lifeline.close()
        held.close()


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach; whoever started them ends them."""
    if not hasattr(signal, "pthread_sigmask"):  # not on Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
