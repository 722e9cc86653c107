"""A results folder: a manifest of what made it, and rows that survive a kill at any moment.

`rows.jsonl` only ever grows, a whole trial at a time and in plan order. A trial that finishes before its
turn waits in `spool/`, written all or nothing, so nothing that was computed is lost.
"""

import dataclasses
import hashlib
import importlib.metadata
import inspect
import json
import os
import platform
import sys
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch

from learners.data.datasets import load

from .study import Row
from .study import Study
from .study import claim
from .study import plain

_HOME = Path(__file__).parents[2]


class Refused(RuntimeError):
    """A results folder that cannot be gone on with."""


def read(folder: Path) -> list[Row]:
    """All rows of a results folder, each with its trial's name under "trial"."""
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def manifest(study: Study, args: Any, threads: int, names: Sequence[str]) -> Row:
    """`made_by` is what the rows depend on; the rest is for the reader."""
    made_by: Row = {"study": study.__name__}
    made_by |= {f.name: plain(getattr(args, f.name)) for f in dataclasses.fields(args)}
    given = getattr(args, "data", None)
    if isinstance(given, Path):  # a file of measurements
        made_by["data_md5"] = hashlib.md5(given.read_bytes(), usedforsecurity=False).hexdigest()
    elif given is not None:
        data = load(given)
        made_by |= {"data_md5": data.checksum, "data_sizes": [len(data.train.x), len(data.test.x)]}
    made_by["code_md5"] = _code(args)
    packages = ("mortal", "torch", "numpy", "scipy", "scikit-learn")
    return {
        "made_by": {**made_by, "threads": threads, "torch": torch.__version__, "cpu": _cpu()},
        "claim": claim(study),
        "seeds": {"seed": made_by.get("seed"), "trials": list(names)},
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in packages}},
    }


def _code(args: Any) -> str:
    """One MD5 over the source of this toolkit and of the devices that the arguments bring along."""
    sources = {
        p
        for package in ("analog", "learners", "distill", "studies")
        for p in _HOME.glob(f"{package}/**/*.py")
    }
    values = [getattr(args, f.name) for f in dataclasses.fields(args)]
    for value in [v for held in values for v in (held if isinstance(held, tuple | list) else (held,))]:
        if dataclasses.is_dataclass(value):
            for kind in inspect.getmro(type(value))[:-1]:
                file = getattr(sys.modules.get(kind.__module__), "__file__", None)
                if file and kind.__module__.split(".")[0] not in sys.stdlib_module_names:
                    sources.add(Path(file))
    digest = hashlib.md5(usedforsecurity=False)
    for path in sorted(sources):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def identity(made: Row) -> str:
    """Eight hexadecimal digits that tell apart what was made by different arguments."""
    return blake2b(json.dumps(made["made_by"], sort_keys=True).encode(), digest_size=4).hexdigest()


class Results:
    """An open results folder for a plan of trials; the caller holds its lock.

    Raises:
        Refused: the folder was made by other arguments, or is not one of ours.
    """

    def __init__(self, folder: Path, made: Row, names: Sequence[str]) -> None:
        self._names = list(names)
        self._rows = folder / "rows.jsonl"
        self._times = folder / "times.jsonl"
        self._spool = folder / "spool"
        _agree(folder, made)
        self._spool.mkdir(exist_ok=True)
        self._turn = self._recover()
        self._settle()

    @property
    def missing(self) -> list[int]:
        """Places in the plan of the trials still to be run."""
        return [i for i in range(self._turn, len(self._names)) if not self._waiting(i).exists()]

    def keep(self, index: int, rows: Sequence[Row], seconds: float) -> None:
        """Keep a finished trial's rows."""
        name = self._names[index]
        if not rows or any("trial" in row for row in rows):
            raise ValueError(f"trial {name!r}: a trial yields at least one row, and no row has a key 'trial'")
        _write(self._waiting(index), "".join(json.dumps({"trial": name, **row}) + "\n" for row in rows))
        with self._times.open("a") as file:
            file.write(json.dumps({"trial": name, "seconds": round(seconds, 3)}) + "\n")
        self._settle()

    def close(self) -> None:
        """All trials are in."""
        if not any(self._spool.iterdir()):
            self._spool.rmdir()

    def _waiting(self, index: int) -> Path:
        return self._spool / f"{index}.json"

    def _settle(self) -> None:
        while self._turn < len(self._names) and self._waiting(self._turn).exists():
            with self._rows.open("a") as file:
                file.write(self._waiting(self._turn).read_text())
                file.flush()
                os.fsync(file.fileno())
            self._waiting(self._turn).unlink()
            self._turn += 1

    def _recover(self) -> int:
        """Cut what a kill left half written; return how many trials are whole."""
        if not self._rows.exists():
            return 0
        text = self._rows.read_text()
        lines = text[: text.rfind("\n") + 1].splitlines(keepends=True)
        while lines and self._is_waiting(lines[-1]):  # killed between the append and the unlink
            lines.pop()
        if "".join(lines) != text:
            _write(self._rows, "".join(lines))
        whole = list(dict.fromkeys(json.loads(line)["trial"] for line in lines))
        if whole != self._names[: len(whole)]:
            raise Refused(f"{self._rows}: holds other trials than this study's plan; give another --out")
        return len(whole)

    def _is_waiting(self, line: str) -> bool:
        name = json.loads(line)["trial"]
        return name in self._names and self._waiting(self._names.index(name)).exists()


def _agree(folder: Path, made: Row) -> None:
    path = folder / "manifest.json"
    if not path.exists():
        if (folder / "rows.jsonl").exists():
            raise Refused(f"{folder}: has rows but no manifest; give another --out")
        _write(path, json.dumps(made, indent=2) + "\n")
        return
    try:
        before = dict(json.loads(path.read_text())["made_by"])
    except (ValueError, KeyError, TypeError):
        raise Refused(f"{path}: is not a manifest of ours; give another --out") from None
    now = json.loads(json.dumps(made["made_by"]))
    if before != now:
        gaps = [
            f"{key} was {before.get(key)!r}, is {now.get(key)!r}"
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key)
        ]
        raise Refused(f"{folder}: was made by other arguments ({'; '.join(gaps)}); give another --out")


def _cpu() -> str:
    """What float sums depend on besides the code: the processor and what torch makes of it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.machine()} {model} {torch.backends.cpu.get_cpu_capability()}"


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _write(path: Path, text: str) -> None:
    """All or nothing."""
    part = path.with_suffix(".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
