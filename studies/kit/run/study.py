"""What a study is: a module with one claim, a plan of trials, rows, a table and figures."""

import dataclasses
import os
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any
from typing import Protocol

from torch import Tensor

Row = dict[str, Any]  # flat and JSON-able; "done" (0..1) says how far its trial has come
Show = Callable[[str, Row], None]  # called with a trial's name and each row as it comes


class Trial(Protocol):
    """One independent piece of a study: frozen, picklable, seeded by its name."""

    @property
    def name(self) -> str: ...


class Study(Protocol):
    """A module: one claim (its docstring's first line), one file."""

    __name__: str
    __doc__: str | None
    Args: type[Any]  # a frozen dataclass with a default for every field
    TOY: Any  # arguments of a run that takes a second or so, for tests

    @staticmethod
    def plan(args: Any) -> Sequence[Any]:
        """The trials, in the order in which their rows are kept."""
        ...

    @staticmethod
    def run(trial: Any) -> Iterator[Row]:
        """Carry out one trial; the rows depend on the trial alone."""
        ...

    @staticmethod
    def table(rows: Sequence[Row]) -> Sequence[Row]:
        """The closing table."""
        ...

    @staticmethod
    def figures(rows: Sequence[Row], folder: Path) -> Sequence[Path]:
        """Draw, and say where the pictures are."""
        ...


@dataclasses.dataclass(frozen=True)
class How:
    """How a study is carried out; of it, rows depend only on `threads` (and on the kind of CPU)."""

    out: Path | None = None  # results folder; by default results/NAME-HASH, HASH from the arguments
    workers: int = 1  # processes
    threads: int | None = (
        None  # torch threads of each worker, by default cores / workers; 1 on a busy machine
    )
    cluster: str | None = None  # address of a dask scheduler to run the trials on (extra "dask")

    def __post_init__(self) -> None:
        if self.workers < 1 or (self.threads is not None and self.threads < 1):
            raise ValueError(f"workers and threads are at least 1, got {self.workers} and {self.threads}")

    @property
    def share(self) -> int:
        """Torch threads of each worker."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.workers)


def short_name(study: Study) -> str:
    """The study's name on the command line."""
    return study.__name__.rpartition(".")[2]


def claim(study: Study) -> str:
    """The first line of the study's docstring."""
    return (study.__doc__ or "no claim").strip().splitlines()[0]


def plain(value: Any) -> Any:
    """A value as JSON can hold it; a device or another dataclass becomes its class and all that it holds.

    Raises:
        ValueError: nothing stable can be said of it, so results could not be told apart.
    """
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().numpy().tobytes()
        return f"{value.dtype} {tuple(value.shape)} {blake2b(content, digest_size=8).hexdigest()}"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = f"{type(value).__module__}:{type(value).__qualname__}"
        held = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)} | vars(value)
        return {"class": kind, **{name: plain(v) for name, v in sorted(held.items())}}
    if isinstance(value, Path):
        return str(value)
    raise ValueError(f"cannot describe {value!r} in a manifest; make {type(value).__name__} a dataclass")
