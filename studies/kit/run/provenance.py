"""What made results, besides arguments: the code that rows depend on, and the commit it is from."""

import dataclasses
import subprocess
from collections.abc import Iterable, Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from .canonical import without_presentation
from .imports import ImportGraph, locate


def code_digests(study: str, args: Any) -> dict[str, str]:
    """A digest of every module that the rows of a study can depend on, by its name.

    These are the study's module, without its tables and figures, the modules of the devices and other parts
    that its arguments bring along, and what all of them import (see `ImportGraph`).

    Args:
        study: name of the study's module.
        args: its arguments, a dataclass.

    Raises:
        ValueError: the code of something is in no file.
    """
    roots = dict.fromkeys((study, *_modules(args)))
    graph = ImportGraph(roots, {study: without_presentation})
    if study in graph.imported:  # perhaps for what its tables use
        graph = ImportGraph(roots)
    return {name: blake2b(code.encode(), digest_size=4).hexdigest() for name, code in graph.code.items()}


def combined(digests: dict[str, str]) -> str:
    """One digest of all that `code_digests` says."""
    return blake2b(repr(sorted(digests.items())).encode(), digest_size=16).hexdigest()


def commits(modules: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The git commit that modules' files are from, and whether Python code has changed since, by top package.

    What is in no repository, or is ignored there, is left out; without git, everything is.
    """
    commits = {}
    for name in dict.fromkeys(modules):
        path = locate(name)
        commit = path and _git(path.parent, "rev-parse", "HEAD")
        if path and commit and _git(path.parent, "check-ignore", str(path)) == "":
            changes = _git(path.parent, "status", "--porcelain", "--", ":/*.py")
            commits[name.partition(".")[0]] = {"commit": commit, "dirty": changes != ""}
    return commits


def _git(folder: Path, *words: str) -> str | None:
    """What git says; None if there is no git or no repository."""
    try:
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode in (0, 1) else None


def _modules(value: Any) -> Iterator[str]:
    """The modules of everything in a value that has code: classes of dataclasses and tuples, functions."""
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        yield value.__module__
    if isinstance(value, partial):
        yield from _modules([value.func, value.args, value.keywords])
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for kind in type(value).__mro__[:-1]:
            yield kind.__module__
        yield from _modules([getattr(value, f.name) for f in dataclasses.fields(value)])
        yield from _modules(list(getattr(value, "__dict__", {}).values()))
    if isinstance(value, tuple | list):
        yield type(value).__module__
        for item in value:
            yield from _modules(item)
    if isinstance(value, dict):
        yield from _modules(list(value.values()))
