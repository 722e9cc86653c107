"""A bar that shows how far a training is, at what loss, and the time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(show: bool, begin: int, end: int, per_epoch: int) -> Iterator[Callable[[int, float], None]]:
    """A bar from one step to another, on the terminal that errors go to; nothing where that is none.

    Args:
        show: whether a bar is wanted.
        begin: steps made before.
        end: steps when it is full.
        per_epoch: steps of an epoch.

    Returns:
        A function of the steps made so far and the loss of the last.
    """
    if not (show and sys.stderr.isatty()):
        yield lambda made, loss: None
        return
    from rich.console import Console  # slow to import
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    words = "epoch {task.fields[epoch]:.1f}", "loss {task.fields[loss]}"
    columns = TextColumn(words[0]), BarColumn(), TextColumn(words[1]), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=end - begin, epoch=begin / per_epoch, loss="")

        def advance(made: int, loss: float) -> None:
            bar.update(task, completed=made - begin, epoch=made / per_epoch, loss=f"{loss:.3f}")

        yield advance
