"""A dask cluster that trials run on; whatever is wrong with it is said in one line, within a time limit."""

import importlib.util
import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final
from uuid import uuid4

from .executors import Workers, WorkersLost
from .provenance import code_digests
from .study import Row, Show, Trial
from .worker import Run, run_away

SCHEDULER_WITHIN: Final = 10.0  # s in which a scheduler answers
WORKER_WITHIN: Final = 30.0  # s for which a cluster may be without workers
REPORT_EVERY: Final = 0.5  # s between two rows of a trial that are sent home while it goes on
_GOES_ON = "finished trials are kept, and the same command goes on from them"


@contextmanager
def dask_cluster(
    address: str, study: str, args: Any, digests: Mapping[str, str], show: Show
) -> Iterator[Workers]:
    """The workers of a dask scheduler.

    Args:
        address: of the scheduler, as in tcp://host:8786.
        study: name of the study's module.
        args: its arguments.
        digests: of the code that rows depend on, as `code_digests` finds it here.
        show: is called with rows of trials that are going on.

    Raises:
        WorkersLost: dask is not installed, no scheduler answers, it has no worker for `WORKER_WITHIN`
            seconds, a worker lacks the study or has other code, or the scheduler was lost.
    """
    try:
        from distributed import Client  # the extra "dask"
    except ModuleNotFoundError as error:
        raise WorkersLost("--cluster wants the extra dask: pip install '.[dask]'") from error
    for name in [*logging.root.manager.loggerDict, "asyncio"]:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # what matters is said below
    try:
        client = Client(address, timeout=SCHEDULER_WITHIN)
    except Exception as error:  # whatever an address may be
        raise WorkersLost(
            f"{address}: no dask scheduler answers there within {SCHEDULER_WITHIN:g} s "
            f"({type(error).__name__}); start one with `dask scheduler`"
        ) from error
    try:
        _await_worker(client, address)
        _require_code(client, address, study, args, digests)
        watch = _Watch(client, address, show)
        yield Workers(client.get_executor(), partial(run_on_cluster, watch.topic), watch.look)
    except (CancelledError, OSError) as error:
        raise WorkersLost(f"{address}: the dask scheduler was lost; {_GOES_ON}") from error
    finally:
        client.close(timeout=2)


def _await_worker(client: Any, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=WORKER_WITHIN)
    except TimeoutError as error:
        raise WorkersLost(_lonely(address)) from error


def _lonely(address: str) -> str:
    return (
        f"{address}: has had no worker for {WORKER_WITHIN:g} s; start one with `dask worker {address}`; "
        f"{_GOES_ON}"
    )


def _require_code(client: Any, address: str, study: str, args: Any, digests: Mapping[str, str]) -> None:
    """Refuse workers on which trials could not run, or would give other rows."""
    package = __name__.partition(".")[0]
    for worker, spec in client.run(importlib.util.find_spec, package, on_error="return").items():
        if spec is None or isinstance(spec, Exception):
            raise WorkersLost(f"{address}: worker {worker} lacks this package; install it there")
    for worker, theirs in client.run(code_digests, study, args, on_error="return").items():
        if isinstance(theirs, Exception):
            raise WorkersLost(f"{address}: worker {worker} cannot import the study or its parts: {theirs}")
        if other := [name for name in sorted({*digests, *theirs}) if digests.get(name) != theirs.get(name)]:
            raise WorkersLost(f"{address}: worker {worker} has other code: {', '.join(other)}")


def run_on_cluster(topic: str, run: Run, trial: Trial, threads: int) -> tuple[list[Row], float]:
    """Run a trial in a dask worker, and report rows of it under a topic to whoever listens."""
    from distributed import get_worker

    worker, next_at = get_worker(), time.monotonic()

    def report(name: str, row: Row) -> None:
        nonlocal next_at
        if time.monotonic() >= next_at:
            worker.log_event(topic, (name, row))
            next_at = time.monotonic() + REPORT_EVERY

    return run_away(run, trial, threads, report)


class _Watch:
    """Looks whether a cluster still has workers, and listens to what they report."""

    def __init__(self, client: Any, address: str, show: Show) -> None:
        self._client, self._address, self._show = client, address, show
        self._looked = self._seen = time.monotonic()
        self._reports: SimpleQueue[tuple[str, Row]] = SimpleQueue()
        self.topic = f"rows {uuid4()}"  # several runs may share a cluster
        client.subscribe_topic(self.topic, lambda event: self._reports.put(event[1]))

    def look(self) -> None:
        self._show_reports()
        now = time.monotonic()
        if now < self._looked + 2:  # s
            return
        self._looked = now
        if self._client.nthreads():
            self._seen = now
        elif now > self._seen + WORKER_WITHIN:
            raise WorkersLost(_lonely(self._address))

    def _show_reports(self) -> None:
        while True:
            try:
                self._show(*self._reports.get_nowait())
            except Empty:
                return
