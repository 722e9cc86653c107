"""Studies by name: those of this package, found by reading its themes, and others as `package.module`."""

import ast
import importlib
import importlib.util
import traceback
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from .references import one_line
from .study import Row

HOME = Path(__file__).parents[2]  # the package of all studies
PARTS = ("Args", "plan", "run", "table", "figures")  # what a study has; see `Study`


class Entry(NamedTuple):
    """A study as the list shows it; it was read and not imported."""

    name: str  # on the command line
    module: str  # where it is imported from
    theme: str  # the first line of its package's docstring
    claim: str  # the first line of its own
    data: str  # the data set that it takes by default; empty if it takes none


class UnknownStudy(Exception):
    """No study has this name."""


def catalog(name: str = "*") -> dict[str, Entry]:
    """The studies of this package by their names: themes in alphabetical order, and studies in each.

    Args:
        name: of one, where the others need not be read.
    """
    packages = sorted(HOME.glob("*/__init__.py"))
    return {entry.name: entry for package in packages for entry in _entries(package, name)}


def import_study(name: str, commands: Sequence[str] = ()) -> Any:
    """Import a study of ours by its name, or another as `package.module`.

    Args:
        name: of the study.
        commands: other words that may have been meant.

    Raises:
        UnknownStudy: in one line, what was found instead.
    """
    if name.isidentifier() and (known := catalog(name)):
        return importlib.import_module(known[name].module)
    if name.endswith(".py"):
        module = name.removeprefix("./").removesuffix(".py").replace("/", ".")
        raise UnknownStudy(f"{name}: for a file write {module}")
    if not _exists(name):
        known = catalog()
        near = get_close_matches(name, [*known, *commands], 3)
        there_are = f"perhaps you meant {' or '.join(near)}" if near else f"there are {', '.join(known)}"
        raise UnknownStudy(
            f"no study is called {name!r}; {there_are}; one of your own is named as module or "
            "package.module, importable from here"
        )
    try:
        study = importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever a module may do
        raise UnknownStudy(f"{name} cannot be imported: {one_line(error)}{_place(error)}") from error
    if missing := [part for part in PARTS if not hasattr(study, part)]:
        raise UnknownStudy(f"{name} is not a study; it has no {', '.join(missing)}")
    return study


def study_of(manifest: Row) -> Any:
    """Import the study that wrote a manifest, wherever it may have been moved to among ours.

    Raises:
        UnknownStudy: it cannot be found.
    """
    module = str(manifest["made_by"]["study"])
    return import_study(module if _exists(module) else module.rpartition(".")[2])


def _entries(package: Path, name: str) -> Iterator[Entry]:
    """The studies among the modules of a package, in alphabetical order."""
    for path in sorted(package.parent.glob(f"{name}.py")):
        found = _read_source(path.read_bytes())
        if found.is_study:
            theme = _read_source(package.read_bytes()).claim
            module = f"{HOME.name}.{package.parent.name}.{path.stem}"
            yield Entry(path.stem, module, theme, found.claim, found.data)


class _Source(NamedTuple):
    """What is taken from a module's code."""

    is_study: bool
    claim: str  # the first line of its docstring
    data: str


@lru_cache(maxsize=256)  # the catalog is asked for many times, and parsing is what it costs
def _read_source(code: bytes) -> _Source:
    tree = ast.parse(code)
    is_study = {*PARTS} <= {getattr(statement, "name", None) for statement in tree.body}
    return _Source(is_study, _first_line(tree), _default_data(tree))


def _first_line(tree: ast.Module) -> str:
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def _default_data(tree: ast.Module) -> str:
    fields = [field for kind in tree.body if isinstance(kind, ast.ClassDef) for field in kind.body]
    for field in fields:
        match field:
            case ast.AnnAssign(target=ast.Name(id="data"), value=ast.Constant(value=str(name))):
                return name
    return ""


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (Exception, SystemExit):  # its package was imported
        return False


def _place(error: BaseException) -> str:
    """The file and line that raised an error."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
