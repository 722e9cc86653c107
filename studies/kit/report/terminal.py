"""What a terminal shows of a run: its progress, and the table at its end."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from ..run.study import Row, Show

PROGRESS_FIELDS = ("what", "who", "method", "step", "accuracy")  # of a row, while it is progress


def plain_console(error: bool = False) -> Console:
    """A console that shows words as they are: brackets, numbers and colons mean nothing to it.

    Args:
        error: whether it writes to standard error.
    """
    return Console(stderr=error, markup=False, highlight=False, emoji=False)


def print_rows(console: Console, rows: Sequence[Row]) -> None:
    """Print rows as a table with all their keys as columns."""
    keys = dict.fromkeys(key for row in rows for key in row)
    table = Table()
    for key in keys:
        table.add_column(Text(key))
    for row in rows:
        table.add_row(*(Text(str(row.get(key, ""))) for key in keys))
    print_table(console, table)


def print_table(console: Console, table: Table) -> None:
    """Print a table whole: a terminal folds wide cells, and the lines of a file are as long as need be."""
    for column in table.columns:
        column.overflow = "fold"
    if not console.is_terminal:
        natural = Measurement.get(console, console.options.update(max_width=sys.maxsize), table).maximum
        console = Console(file=console.file, width=max(natural, console.width), markup=False, emoji=False)
    console.print(table)


@contextmanager
def progress_of(console: Console, trials: int, clock: Callable[[], float] = time.monotonic) -> Iterator[Show]:
    """Show a bar for all trials of a run, with the time left, and one for each trial that is going on.

    Args:
        console: to show them on.
        trials: of the run.
        clock: gives seconds.
    """
    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[state]}", markup=False),
        TimeElapsedColumn(),
    )
    left = TimeLeft(trials, clock)
    with Progress(*columns, console=console) as progress:
        overall = progress.add_task("trials", total=trials, state=f"0 of {trials} trials")
        shares: dict[str, float] = {}
        bars = {}

        def show(name: str, row: Row) -> None:
            shares[name] = row.get("done", shares.get(name, 0.0))
            finished = sum(share >= 1 for share in shares.values())
            done, words = sum(shares.values()), f"{finished} of {trials} trials"
            progress.update(
                overall, completed=done, state=words + left.words(done, is_new=[*row] != ["done"])
            )
            if name not in bars:
                bars[name] = progress.add_task(name.rpartition(":")[2], total=1.0, state="")
            state = ", ".join(_short_text(value) for key, value in row.items() if key in PROGRESS_FIELDS)
            progress.update(bars[name], completed=shares[name], state=state, visible=shares[name] < 1)

        yield show
        progress.update(overall, completed=trials, state=f"{trials} of {trials} trials")


class TimeLeft:
    """Says how long a run will still take, from the pace since it began; trials done before do not count.

    Args:
        trials: of the run.
        clock: gives seconds.
    """

    def __init__(self, trials: int, clock: Callable[[], float]) -> None:
        self._trials, self._clock = trials, clock
        self._began, self._before = clock(), 0.0

    def words(self, done: float, is_new: bool) -> str:
        """The time left, as in ", 0:12:30 left"; nothing before anything was done.

        Args:
            done: trials, and parts of them.
            is_new: whether the last of it was done in this run.
        """
        if not is_new:
            self._before = done
        made = done - self._before
        if made <= 0 or done >= self._trials:
            return ""
        seconds = (self._clock() - self._began) * (self._trials - done) / made
        return f", {timedelta(seconds=round(seconds))} left"


def _short_text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
