"""Pages of the API reference: one for each package that exports names, made from `__all__`."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple

from .docstrings import escaped
from .fields import comments_of_fields

DOORS: Final = ("analog", "learners", "distill")
MODULES: Final = ("learners.callbacks",)  # public modules whose names are imported from there


class Name(NamedTuple):
    """A public name."""

    package: str  # whose `__all__` lists it
    short: str
    value: Any

    @property
    def full(self) -> str:
        return f"{self.package}.{self.short}"


def public_names() -> Iterator[Name]:
    """Every name that a package of the three doors exports; each is exported by one package."""
    for package in packages():
        for short in importlib.import_module(package).__all__:
            yield Name(package, short, getattr(importlib.import_module(package), short))


def packages() -> Iterator[str]:
    """The packages behind the three doors, each door before its rooms, and what studies share."""
    for door in DOORS:
        yield door
        path = importlib.import_module(door).__path__
        yield from (found.name for found in pkgutil.walk_packages(path, f"{door}.") if found.ispkg)
    yield "studies.kit"


def write_api_pages(folder: Path) -> None:
    """Write the reference of all public names; pages that did not change stay as they are."""
    names = list(public_names())
    pages = {"index": _index(names)}
    for package in packages():
        if own := [name for name in names if name.package == package]:
            pages[package] = _page(package, own)
    for name in names:
        if isinstance(name.value, ModuleType):
            pages[name.full] = _module_page(name.value.__name__, name.full)
    pages |= {module: _module_page(module, module) for module in MODULES}
    write_changed(folder, {f"{name}.rst": text for name, text in pages.items()})


def write_changed(folder: Path, pages: dict[str, str]) -> None:
    """Make the folder hold these files and no others of their kinds."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in {p for name in pages for p in folder.glob(f"*{Path(name).suffix}")}:
        if old.name not in pages:
            old.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _index(names: list[Name]) -> str:
    sections = [_heading("Reference", "=")]
    sections.append(
        "Every public name, from its docstring. The three doors hold what most programs need; the packages\n"
        "behind them hold the rest. What is imported from elsewhere than where it stands here may move.\n"
    )
    for door in DOORS:
        own = sorted({n.package for n in names} | {*MODULES})
        own = [package for package in own if package.partition(".")[0] == door]
        sections += [_heading(door, "-"), _toctree(own)]
    sections += [_heading("studies", "-"), _toctree(["studies.kit"])]
    return "\n".join(sections)


def _page(package: str, names: list[Name]) -> str:
    modules = [n.full for n in names if isinstance(n.value, ModuleType)]
    parts = [_heading(package, "="), f".. automodule:: {package}\n   :no-members:\n"]
    parts.append(_summary([n for n in names if not isinstance(n.value, ModuleType)]))
    if modules:
        parts += ["Modules", "", _toctree(modules)]
    parts += [
        f".. currentmodule:: {package}\n",
        *(_entry(n) for n in names if not isinstance(n.value, ModuleType)),
    ]
    return "\n".join(parts)


def _entry(name: Name) -> str:
    if inspect.isclass(name.value):
        return f".. autoclass:: {name.short}\n   :members:\n"
    if inspect.isroutine(name.value):
        return f".. autofunction:: {name.short}\n"
    lines = [
        f".. py:data:: {name.short}",
        f"   :type: {_type_of(name.value)}",
        "",
        f"   {describe_value(name)}",
        "",
    ]
    return "\n".join(lines)


def _type_of(value: Any) -> str:
    return type(value).__name__.lstrip("_") if not hasattr(value, "__origin__") else "type alias"


def describe_value(name: Name) -> str:
    """What is said of a value: the comment beside it where it was made, and what it is an instance of."""
    home = sys.modules.get(type(name.value).__module__)
    holders = [m for m in (home, *_modules_of(name.package)) if m is not None and name.short in vars(m)]
    comment = next((text for m in holders if (text := comments_of_fields(m).get(name.short))), "")
    if hasattr(name.value, "__origin__"):
        said = f"Short for ``{_plain(str(name.value))}``"
    else:
        doc = (inspect.getdoc(type(name.value)) or "").partition("\n")[0]
        kind = type(name.value).__name__
        said = (
            f"``{name.value!r}``"
            if isinstance(name.value, int)
            else f"An instance of `{kind}`: {escaped(doc)}"
        )
    return f"{said.rstrip('.:')}.{f' {escaped(comment)}.' if comment else ''}"


def _modules_of(package: str) -> Iterator[ModuleType]:
    """The modules of a package that are loaded."""
    yield from (m for name, m in sorted(sys.modules.items()) if name.startswith(f"{package}.") and m)


def _plain(text: str) -> str:
    for module in ("typing", "collections.abc", "torch"):
        text = text.replace(f"{module}.", "")
    return text


def _module_page(module: str, title: str) -> str:
    return f"{_heading(title, '=')}\n.. automodule:: {module}\n   :members:\n"


def _summary(names: list[Name]) -> str:
    """A table of the names with the first sentence of each."""
    lines = [".. list-table::", "   :widths: 30 70", ""]
    for name in names:
        doc = (
            inspect.getdoc(name.value) if inspect.isclass(name.value) or inspect.isroutine(name.value) else ""
        )
        said = escaped((doc or "").partition("\n\n")[0].replace("\n", " ")) if doc else describe_value(name)
        lines += [f"   * - :py:obj:`{name.short} <{name.full}>`", f"     - {said}"]
    return "\n".join([*lines, ""])


def _toctree(entries: list[str]) -> str:
    return ".. toctree::\n   :maxdepth: 1\n\n" + "".join(f"   {entry}\n" for entry in entries)


def _heading(title: str, line: str) -> str:
    return f"{title}\n{line * len(title)}\n"
