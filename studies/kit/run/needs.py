"""What it takes to repeat a run besides the toolkit: modules and data of one's own, and where they lie.

What a manifest says of it names no place on a machine that the user did not, so that it may be archived;
where the folder was on this one lies beside the manifest, in a file that no archive holds.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from learners.data.idx import SOURCES
from learners.data.text import TEXTS

from .imports import TOOLKIT, ImportGraph, locate
from .study import Row

HERE: Final = "the folder of the run"
PATH, DATA_HOME = "PYTHONPATH", "MORTAL_DATA"
_FILE: Final = "surroundings.json"


def needs(modules: Iterable[str], args: Any) -> list[Row]:
    """What a run takes that is not the toolkit's: a line for each module, file or data set.

    Args:
        modules: that its rows depend on.
        args: of the study, a dataclass.
    """
    values = {f.name: getattr(args, f.name) for f in dataclasses.fields(args)}
    data = values.get("data")
    named = [data.partition(":")[0]] if isinstance(data, str) and _is_reference(data) else []
    code = dict.fromkeys([*modules, *(ImportGraph(named).code if named else ())])
    own = [name for name in code if name.partition(".")[0] not in TOOLKIT]
    return [line for name in own for line in _module(name)] + [
        line for name, value in values.items() for line in _data(name, value)
    ]


def write_surroundings(folder: Path, needed: Iterable[Row]) -> None:
    """Keep in a results folder where on this machine its run was called, and the variables that it took."""
    where = [str(line["where"]) for line in needed]
    used = [name for name in (PATH, DATA_HOME) if any(name in words for words in where)]
    variables = {name: _short(os.environ[name]) for name in used if os.environ.get(name)}
    (folder / _FILE).write_text(
        json.dumps({"folder": _short(str(Path.cwd())), "variables": variables}, indent=2) + "\n"
    )


def _module(name: str) -> Iterator[Row]:
    path = locate(name)
    if path is None:
        return
    depth = name.count(".") + (path.stem == "__init__")
    root, here = path.parents[depth], Path.cwd().resolve()
    file = path.relative_to(root)
    if {"site-packages", "dist-packages"} & {*path.parts}:
        where = "installed"
    elif root == here:
        where = HERE
    elif root.is_relative_to(here):
        where, file = f"{HERE}, with {root.relative_to(here).as_posix()} on {PATH}", path.relative_to(here)
    else:
        listed = any(Path(entry or ".").resolve() == root for entry in _entries())
        where = f"a folder on {PATH}" if listed else "another folder that Python imports from"
    yield {"what": f"module {name}", "is": file.as_posix(), "where": where}


def _data(name: str, value: Any) -> Iterator[Row]:
    """The line of an argument that names a file or data; none of data that are embedded."""
    if isinstance(value, str) and name == "data":
        home = os.environ.get(DATA_HOME)
        if value in (*SOURCES, *TEXTS, "cifar10"):
            at_home = bool(home) and (Path(str(home)).expanduser() / value).is_dir()
            yield {"what": "data", "is": value, "where": f"${DATA_HOME}" if at_home else "downloaded once"}
        if _is_reference(value) or not Path(value).expanduser().exists():
            return
    elif not isinstance(value, Path):
        return
    where = "where it was" if Path(value).expanduser().is_absolute() else HERE
    yield {"what": name.replace("_", "-"), "is": str(value), "where": where}


def _entries() -> list[str]:
    return os.environ.get(PATH, "").split(os.pathsep) if os.environ.get(PATH) else []


def _is_reference(data: str) -> bool:
    return ":" in data and not Path(data).expanduser().exists()


def _short(text: str) -> str:
    """Places on this machine, those in the user's home from there on."""
    home = str(Path.home())
    parts = text.split(os.pathsep)
    return os.pathsep.join(f"~{p[len(home) :]}" if f"{p}/".startswith(f"{home}/") else p for p in parts)
