"""The manifest of a results folder: all that its rows depend on, and what a reader wants to know besides."""

import dataclasses
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from learners.data import load_data

from .arguments import command
from .needs import needs
from .provenance import code_digests, combined, commits
from .rows import FORMAT
from .study import Row, Study, claim, short_name


def manifest(study: Study, args: Any, threads: int, names: Sequence[str]) -> Row:
    """Describe a run: `made_by` is all that its rows depend on; the rest is for the reader.

    Args:
        args: a dataclass; of fields that hold the path of a file, and of `data`, the content counts too. What
            `data` names is read by a method `load_data` of the arguments, if they have one.
        threads: of torch, in each worker.
        names: of the trials, in the order of the plan.

    Raises:
        ValueError: nothing stable can be said of an argument or of its code.
    """
    digests = code_digests(study.__name__, args)
    made_by: Row = {"study": study.__name__}
    made_by |= {f.name: to_json(getattr(args, f.name)) for f in dataclasses.fields(args)}
    made_by |= _data(args)
    made_by |= {"code_digest": combined(digests), "threads": threads}
    packages = ("mortal", "torch", "numpy", "scipy", "scikit-learn")
    return {
        "format": FORMAT,
        "made_by": {**made_by, "torch": torch.__version__, "cpu": _cpu()},
        "claim": claim(study),
        "command": command(short_name(study) if _is_ours(study) else study.__name__, args),
        "seeds": {"seed": made_by.get("seed"), "trials": list(names)},
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in packages}},
        "git": commits((study.__name__, __name__)),
        "modules": digests,
        "needs": needs(digests, args),
    }


def _is_ours(study: Study) -> bool:
    return study.__name__.partition(".")[0] == __name__.partition(".")[0]


def identity(manifest: Row) -> str:
    """Eight hexadecimal digits that tell apart what was made by different arguments, code or data."""
    return blake2b(json.dumps(manifest["made_by"], sort_keys=True).encode(), digest_size=4).hexdigest()


def to_json(value: Any) -> Any:
    """A value as JSON can hold it; an object becomes its class and all that it holds, a function its name.

    Raises:
        ValueError: nothing stable can be said of it, so results could not be told apart.
    """
    if isinstance(value, str | int | float | bool | None):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().numpy().tobytes()
        return f"{value.dtype} {tuple(value.shape)} {blake2b(content, digest_size=8).hexdigest()}"
    if isinstance(value, type) or (callable(value) and "<" not in getattr(value, "__qualname__", "<")):
        return f"{value.__module__}:{value.__qualname__}"
    if (fields := _fields(value)) is not None:
        kind = f"{type(value).__module__}:{type(value).__qualname__}"
        return {"class": kind, **{name: to_json(v) for name, v in sorted(fields.items())}}
    if isinstance(value, tuple | list):
        return [to_json(v) for v in value]
    if getattr(value, "__dict__", None) == {} and type(value).__module__ != "builtins":
        return {"class": f"{type(value).__module__}:{type(value).__qualname__}"}  # no settings, as a loss
    raise ValueError(f"cannot describe {value!r} in a manifest; make {type(value).__name__} a dataclass")


def _fields(value: Any) -> Row | None:
    """All that a dataclass, a named tuple, a partial function or a dictionary of words holds."""
    if dataclasses.is_dataclass(value):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)} | vars(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    if isinstance(value, partial):
        return {"function": value.func, "arguments": value.args, **value.keywords}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    return None


def _data(args: Any) -> Row:
    """Digests of the files and of the data set that arguments name."""
    values = {f.name: getattr(args, f.name) for f in dataclasses.fields(args)}
    description: Row = {
        f"{name}_md5": hashlib.md5(value.read_bytes(), usedforsecurity=False).hexdigest()
        for name, value in values.items()
        if isinstance(value, Path) and value.is_file()
    }
    if isinstance(values.get("data"), str):
        data = getattr(args, "load_data", load_data)(values["data"])
        description |= {"data_md5": data.checksum, "data_sizes": [len(data.train.x), len(data.test.x)]}
    return description


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
