"""What a worker process runs.

Importing this takes no time, so that a worker notices from its very beginning when it must end.
"""

import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from .study import Row, Show, Trial

Run = Callable[[Any], Iterator[Row]]
_progress: Any = None  # in a worker process: the queue of rows to show


class StudyExit(RuntimeError):
    """Code of a study or of a part asked Python to end."""


def start_worker(progress: Any, lifeline: Connection) -> None:
    """Begin a worker process.

    Args:
        progress: a queue of rows to show.
        lifeline: the reading end of a pipe that nobody writes to. When the parent closes it, or is killed,
            the worker ends, whatever it is doing.
    """
    global _progress
    _progress = progress

    def follow() -> None:
        wait([lifeline])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def run_in_worker(run: Run, trial: Trial, threads: int) -> tuple[list[Row], float]:
    """Run a trial in a process of this machine and send its rows home as they come."""
    queue = _progress
    return run_away(run, trial, threads, lambda name, row: queue.put((name, row)) if queue else None)


def run_away(run: Run, trial: Trial, threads: int, show: Show) -> tuple[list[Row], float]:
    """Run a trial away from home; its errors come home as well, whatever they hold."""
    try:
        return run_trial(run, trial, threads, show)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # its class wants arguments, or is out of reach
            raise RuntimeError(f"{type(error).__name__}: {error}") from error
        raise


def run_trial(run: Run, trial: Trial, threads: int, show: Show) -> tuple[list[Row], float]:
    """Run a trial with so many threads of torch.

    Returns:
        its rows, and the seconds that it took.
    """
    import torch  # takes seconds

    before, began = torch.get_num_threads(), time.perf_counter()
    rows: list[Row] = []
    torch.set_num_threads(threads)
    try:
        for row in run(trial):
            rows.append(row)
            show(trial.name, row)
    except SystemExit as error:
        raise StudyExit(f"it called sys.exit({error.code!r})") from error
    finally:
        torch.set_num_threads(before)
    return rows, time.perf_counter() - began
