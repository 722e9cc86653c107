"""What a study is: a module with one claim, a plan of trials, rows, a table and figures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the list of studies waits for no matplotlib
    from matplotlib.figure import Figure

Row = dict[str, Any]  # flat and JSON-able; "done" (0..1) says how far its trial has come
Show = Callable[[str, Row], None]  # called with a trial's name and each row as it comes


class Trial(Protocol):
    """One independent piece of a study: frozen, picklable, seeded by its name."""

    @property
    def name(self) -> str: ...


class Study(Protocol):
    """A module: one claim (its docstring's first line), one file.

    Ours also have `TOY`, arguments of a run that takes a second or so, for the tests.
    """

    __name__: str
    __doc__: str | None
    # a frozen dataclass with a default for every field; where its `data` is not for `learners.data.load_data`
    # to read, it has a method `load_data(where)` that returns a `Dataset`
    Args: type[Any]

    @staticmethod
    def plan(args: Any) -> Sequence[Any]:
        """The trials, in the order in which their rows are kept."""
        ...

    @staticmethod
    def run(trial: Any) -> Iterator[Row]:
        """Run one trial; the rows depend on the trial alone."""
        ...

    @staticmethod
    def table(rows: Sequence[Row]) -> Sequence[Row]:
        """The closing table."""
        ...

    @staticmethod
    def figures(rows: Sequence[Row]) -> Mapping[str, "Figure"]:
        """The figures by name, each kept as NAME.png and NAME.svg; of no rows too, or of some trials."""
        ...


def short_name(study: Study) -> str:
    """The study's name on the command line."""
    return study.__name__.rpartition(".")[2]


def claim(study: Study) -> str:
    """The first line of the study's docstring."""
    return (study.__doc__ or "no claim").strip().splitlines()[0]
