"""What a study is, and how its trials are carried out: over processes, resumable, and recorded."""

import dataclasses
import importlib.metadata
import json
import multiprocessing
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout

Row = dict[str, Any]  # flat and JSON-able; "done" (0..1) says how far its trial has come
Show = Callable[[str, Row], None]  # called with a trial's name and each row it yields


class Trial(Protocol):
    """One independent piece of a study: frozen, picklable, seeded by its name."""

    @property
    def name(self) -> str: ...


class Study(Protocol):
    """A module: one claim (its docstring's first line), one file."""

    __name__: str
    __doc__: str | None
    Args: type[Any]  # a frozen dataclass with a default for every field

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


class Refused(RuntimeError):
    """A results folder that cannot be gone on with."""


@dataclasses.dataclass(frozen=True)
class How:
    """How a study is carried out; no result depends on it but `threads` (the order of float sums)."""

    out: Path | None = None  # results folder; by default results/NAME-HASH, HASH from the arguments
    workers: int = 1  # processes
    threads: int | None = None  # torch threads of each worker; by default cores divided by workers
    cluster: str | None = None  # address of a dask scheduler to run trials on instead (extra "dask")


def conduct(study: Study, args: Any, how: How = How(), show: Show = lambda name, row: None) -> Path:
    """Run what is missing of a study and return its results folder.

    The folder gets `manifest.json`, append-only `rows.jsonl` (in plan order, a trial at a time),
    `times.jsonl` and figures. A run that was killed goes on where it was; its rows end up the same.

    Raises:
        Refused: the folder was made by other arguments, or another run is using it.
    """
    if how.workers < 1 or (how.threads is not None and how.threads < 1):
        raise ValueError(f"studies: workers and threads are at least 1, got {how.workers} and {how.threads}")
    threads = how.threads or max(1, (os.cpu_count() or 1) // how.workers)
    trials = list(study.plan(args))
    names = [t.name for t in trials]
    if not names or len(set(names)) != len(names):
        raise ValueError(f"study {study.__name__}: a plan needs trials with different names, got {names}")
    made = _manifest(study, args, threads, names)
    name = study.__name__.rpartition(".")[2]
    identity = blake2b(json.dumps(made["made_by"], sort_keys=True).encode(), digest_size=4).hexdigest()
    folder = how.out or Path("results") / f"{name}-{identity}"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / "lock", timeout=0):
            _agree(folder, made)
            _carry_out(study, trials, folder, how, threads, show)
            study.figures(read(folder), folder)
    except Timeout:
        raise Refused(f"{folder}: another run is using it; wait, or give another --out") from None
    return folder


def read(folder: Path) -> list[Row]:
    """All rows of a results folder, each with its trial's name under "trial"."""
    path = folder / "rows.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _carry_out(study: Study, trials: list[Any], folder: Path, how: How, threads: int, show: Show) -> None:
    spool = folder / "spool"  # finished trials that wait for their place in the order
    spool.mkdir(exist_ok=True)
    kept = _recover(folder, {t.name for i, t in enumerate(trials) if (spool / f"{i}.json").exists()})
    todo = [i for i, t in enumerate(trials) if t.name not in kept and not (spool / f"{i}.json").exists()]
    turn = len(kept)

    def settle() -> None:
        nonlocal turn
        while turn < len(trials) and (spool / f"{turn}.json").exists():
            path = spool / f"{turn}.json"
            with (folder / "rows.jsonl").open("a") as file:
                file.write(path.read_text())
                file.flush()
                os.fsync(file.fileno())
            path.unlink()
            turn += 1

    def finish(index: int, rows: list[Row], seconds: float) -> None:
        name = trials[index].name
        lines = "".join(json.dumps({"trial": name, **row}) + "\n" for row in rows)
        _write(spool / f"{index}.json", lines)
        with (folder / "times.jsonl").open("a") as file:
            file.write(json.dumps({"trial": name, "seconds": round(seconds, 3)}) + "\n")
        settle()

    settle()
    if how.workers == 1 and how.cluster is None:
        for i in todo:
            finish(i, *_work(study.run, trials[i], threads, lambda row, i=i: show(trials[i].name, row)))
    else:
        _spread(study, trials, todo, how, threads, show, finish)
    spool.rmdir()


def _spread(
    study: Study,
    trials: list[Any],
    todo: list[int],
    how: How,
    threads: int,
    show: Show,
    finish: Callable[[int, list[Row], float], None],
) -> None:
    with _executor(how) as (executor, progress):
        running: dict[Future[tuple[list[Row], float]], int] = {
            executor.submit(_remote, study.run, trials[i], threads): i for i in todo
        }
        while running:
            done, _ = wait(running, timeout=0.2, return_when=FIRST_COMPLETED)
            while progress is not None:
                try:
                    show(*progress.get_nowait())
                except Empty:
                    break
            for future in done:
                finish(running.pop(future), *future.result())


@contextmanager
def _executor(how: How) -> Iterator[tuple[Executor, Any]]:
    if how.cluster is not None:
        from distributed import Client  # the extra "dask"

        with Client(how.cluster) as client:
            yield client.get_executor(), None
        return
    context = multiprocessing.get_context("spawn")
    progress = context.Queue()
    pool = ProcessPoolExecutor(how.workers, context, initializer=_start, initargs=(progress,))
    try:
        yield pool, progress
    finally:
        pool.shutdown(cancel_futures=True)


_progress: Any = None  # in a worker process: where rows are shown as they come


def _start(progress: Any) -> None:
    global _progress
    _progress = progress
    parent = multiprocessing.parent_process()
    if parent is not None:  # a worker must not outlive a parent that was killed
        threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()


def _remote(run: Callable[[Any], Iterator[Row]], trial: Any, threads: int) -> tuple[list[Row], float]:
    queue = _progress
    return _work(run, trial, threads, lambda row: queue.put((trial.name, row)) if queue else None)


def _work(
    run: Callable[[Any], Iterator[Row]], trial: Any, threads: int, show: Callable[[Row], Any]
) -> tuple[list[Row], float]:
    before, rows, began = torch.get_num_threads(), [], time.perf_counter()
    torch.set_num_threads(threads)
    try:
        for row in run(trial):
            rows.append(row)
            show(row)
    finally:
        torch.set_num_threads(before)
    return rows, time.perf_counter() - began


def _recover(folder: Path, spooled: set[str]) -> set[str]:
    """Cut what a kill left half written from rows.jsonl; return the trials whose rows are whole."""
    path = folder / "rows.jsonl"
    if not path.exists():
        return set()
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1].splitlines(keepends=True)
    while whole and json.loads(whole[-1])["trial"] in spooled:
        whole.pop()
    kept = "".join(whole)
    if kept != text:
        _write(path, kept)
    return {json.loads(line)["trial"] for line in whole}


def _agree(folder: Path, made: Row) -> None:
    path = folder / "manifest.json"
    if not path.exists():
        if (folder / "rows.jsonl").exists():
            raise Refused(f"{folder}: has rows but no manifest; give another --out")
        _write(path, json.dumps(made, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text())["made_by"]
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


def _manifest(study: Study, args: Any, threads: int, names: list[str]) -> Row:
    """`made_by` is what the rows depend on; the rest is for the reader."""
    from .data import load

    data = {}
    if getattr(args, "data", None) is not None:
        loaded = load(args.data)
        data = {"data_md5": loaded.checksum, "data_sizes": [len(loaded.train.x), len(loaded.test.x)]}
    arguments = {f.name: plain(getattr(args, f.name)) for f in dataclasses.fields(args)}
    return {
        "made_by": {
            "study": study.__name__,
            **arguments,
            **data,
            "threads": threads,
            "torch": torch.__version__,
        },
        "claim": (study.__doc__ or "").strip().splitlines()[0],
        "seeds": {"seed": arguments.get("seed"), "trials": names},
        "versions": {
            "python": platform.python_version(),
            **{p: _version(p) for p in ("mortal", "torch", "scipy", "scikit-learn")},
        },
    }


def plain(value: Any) -> Any:
    """A value as JSON can hold it; a device or another dataclass becomes its class and parameters."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kind = f"{type(value).__module__}:{type(value).__qualname__}"
        return {"class": kind, **{f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


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
