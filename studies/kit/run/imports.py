"""The modules that code imports, found by reading it, so that results know what made them.

A module counts if it lies outside the standard library and site-packages, or belongs to this toolkit or to
a package named by the caller, wherever that is installed. Modules are followed whole, function bodies
included. Only packages of this toolkit whose `__init__` does nothing but pass names on (those of
`studies.kit` once they are asked for) are read by name:
`from analog import Chip` leads to `analog.chip` and not to all of analog. (Importing a module of ours does
nothing to any other module, which a test holds.)
"""

import ast
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from .canonical import canonical

_STANDARD = Path(sysconfig.get_path("stdlib")).resolve()
TOOLKIT = ("analog", "learners", "distill", "studies")
LIBRARIES = ("torch", "numpy", "scipy", "sklearn", "matplotlib", "gymnasium")  # told by their versions
Edit = Callable[[ast.Module], ast.Module]


class _Import(NamedTuple):
    """An import of one name."""

    base: str  # from where
    name: str | None  # which name; None: all
    bound: str | None  # its name here
    statement: ast.stmt


class _Module(NamedTuple):
    """What is read of a module's code."""

    canonical: str
    imports: tuple[_Import, ...]
    only_passes_on: bool  # it is imports and `__all__` alone


class ImportGraph:
    """The modules that `roots` import, themselves included, each with its code in canonical form.

    Args:
        roots: names of modules, importable or imported.
        edits: of a root, what is done to its code before it is read.

    Raises:
        ValueError: a root has no file, so its code cannot be told.
    """

    def __init__(self, roots: Iterable[str], edits: Mapping[str, Edit] = MappingProxyType({})) -> None:
        self.imported: set[str] = set()  # modules that another module imports
        self._edits = edits
        self._locate, self._source = cache(locate), cache(Path.read_bytes)
        self._read: dict[str, str] = {}  # code of modules that were read whole
        self._passed_on: dict[
            str, dict[str, str]
        ] = {}  # of packages that pass names on, the imports asked for
        ours = [name for name in roots if not _is_standard(name, self._locate(name))]
        if lost := [name for name in ours if self._locate(name) is None]:
            raise ValueError(f"the code of module {lost[0]!r} is in no file, so results cannot be told apart")
        self._tops = {*TOOLKIT, *map(_top, ours)} - {*LIBRARIES}
        for name in ours:
            if _top(name) not in LIBRARIES:
                self._follow_parents(name)
                self._follow_module(name)

    @property
    def code(self) -> dict[str, str]:
        """Each module's code by its name, in alphabetical order."""
        passed_on = {
            name: "".join(v for _, v in sorted(part.items())) for name, part in self._passed_on.items()
        }
        return dict(sorted({**passed_on, **self._read}.items()))

    def _follow(self, name: str, wanted: str | None) -> None:
        """Follow the import of a name (None: of all) from a module."""
        path = self._locate(name)
        if path is not None and self._counts(name, path):
            self.imported.add(name)
            self._follow_parents(name)
            if self._passes_on(name, path):
                self._follow_through(name, wanted)
                return
            self._follow_module(name)
        if wanted is not None and (path is None or path.name == "__init__.py"):
            self._follow(f"{name}.{wanted}", None)  # if it is a module

    def _follow_parents(self, name: str) -> None:
        """Follow the packages that are imported when a module of theirs is."""
        for parent in _parents(name):
            path = self._locate(parent)
            if path is not None and self._counts(parent, path) and not self._passes_on(parent, path):
                self._follow_module(parent)

    def _follow_through(self, package: str, wanted: str | None) -> None:
        """Follow one name (None: all) to where a package has it from."""
        passed_on = self._passed_on.setdefault(package, {})
        is_bound = False
        path = self._locate(package)
        assert path is not None
        for base, name, bound, statement in self._module(package, path).imports:
            if wanted is None or bound in (wanted, None):
                is_bound = is_bound or bound == wanted
                if f"{bound} {base}" not in passed_on:
                    passed_on[f"{bound} {base}"] = canonical(statement)
                    if base == package:
                        self._follow(f"{package}.{name}", None)
                    else:
                        self._follow(base, name)
        if wanted is not None and not is_bound:
            self._follow(f"{package}.{wanted}", None)

    def _follow_module(self, name: str) -> None:
        """Read a module and follow all that it imports."""
        path = self._locate(name)
        if path is None or name in self._read:
            return
        if path.suffix != ".py":  # compiled
            self._read[name] = path.read_bytes().hex()
            return
        module = self._module(name, path, self._edits.get(name))
        self._read[name] = module.canonical
        for base, taken, _, _ in module.imports:
            self._follow(base, taken)

    def _module(self, name: str, path: Path, edit: Edit | None = None) -> _Module:
        return _read_module(name, path.name == "__init__.py", self._source(path), edit)

    def _counts(self, name: str, path: Path) -> bool:
        if _top(name) in LIBRARIES or _is_standard(name, path):
            return False
        return _top(name) in self._tops or not {"site-packages", "dist-packages"} & set(path.parts)

    def _passes_on(self, name: str, path: Path) -> bool:
        """Whether a module is a package of ours whose `__init__` is imports and `__all__` alone."""
        if _top(name) not in TOOLKIT or path.name != "__init__.py":
            return False
        return self._module(name, path).only_passes_on


def _only_passes_on(statement: ast.stmt) -> bool:
    """Whether a statement imports names or lists them, or does so once they are asked for."""
    match statement:
        case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__")]):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=[]):
            return all(map(_only_passes_on, statement.body))
        case ast.If(test=ast.UnaryOp(op=ast.Not(), operand=ast.Name(id="TYPE_CHECKING")), orelse=[]):
            return {getattr(s, "name", None) for s in statement.body} <= {"__getattr__", "__dir__"}
    return False


def locate(name: str) -> Path | None:
    """The file of a module, found without importing it; None for what has no file."""
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return Path(file).resolve() if file else None
    spec = _spec(name) if name else None
    return Path(spec.origin).resolve() if spec and spec.origin and spec.has_location else None


def _spec(name: str) -> ModuleSpec | None:
    parent, dot, _ = name.rpartition(".")
    if not dot:
        return importlib.util.find_spec(name)
    if parent in sys.modules:
        places = getattr(sys.modules[parent], "__path__", None)
    else:
        spec = _spec(parent)
        places = spec and spec.submodule_search_locations
    return PathFinder.find_spec(name, list(places)) if places else None


@lru_cache(maxsize=1024)  # every study is made by nearly the same files
def _read_module(name: str, is_package: bool, source: bytes, edit: Edit | None) -> _Module:
    """Read a module's code, as an edit of it leaves it."""
    tree = ast.parse(source)
    if edit is not None:
        tree = edit(tree)
    imports = tuple(_imports(name, is_package, tree))
    return _Module(canonical(tree), imports, all(map(_only_passes_on, tree.body)))


def _imports(name: str, is_package: bool, tree: ast.Module) -> Iterator[_Import]:
    """Each import in a module."""
    package = name.split(".") if is_package else name.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                all_names = alias.name == "*"
                called = None if all_names else alias.asname or alias.name
                taken, statement = None if all_names else alias.name, ast.ImportFrom(base, [alias], 0)
                yield _Import(base, taken, called, statement)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                for base in (*(() if alias.asname else _parents(alias.name)), alias.name):
                    yield _Import(base, None, alias.asname or _top(alias.name), ast.Import([alias]))


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_standard(name: str, path: Path | None) -> bool:
    """Whether a module belongs to Python's standard library."""
    if path is None:
        return _top(name) in sys.stdlib_module_names
    return path.is_relative_to(_STANDARD) and not {"site-packages", "dist-packages"} & set(path.parts)
