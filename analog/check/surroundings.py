"""What lies around a device and must not reach it: global generators, and the clock of the computer."""

import datetime
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, Final
from unittest import mock

import numpy
import torch

_CLOCKS: Final = ("time", "perf_counter", "monotonic", "process_time", "thread_time")
_CALENDARS: Final = ("gmtime", "localtime", "ctime", "asctime", "strftime")  # of now, if no time is given
GLOBAL_GENERATORS: Final = {
    "torch": "the global torch generator",
    "numpy": "numpy's global generator",
    "random": "Python's global `random`",
}
_SHIFT: Final = 1e6 + 0.123  # s, by which a moved clock runs ahead


class Generators:
    """The states of the global generators at one moment."""

    def __init__(self) -> None:
        self.torch = torch.get_rng_state()
        self.numpy: Any = numpy.random.get_state()
        self.python = random.getstate()

    def used(self) -> str | None:
        """Name the global generator that has been used since, if one has."""
        if not torch.equal(self.torch, torch.get_rng_state()):
            return GLOBAL_GENERATORS["torch"]
        now: Any = numpy.random.get_state()
        if self.numpy[2:] != now[2:] or not numpy.array_equal(self.numpy[1], now[1]):
            return GLOBAL_GENERATORS["numpy"]
        if self.python != random.getstate():
            return GLOBAL_GENERATORS["random"]
        return None

    def restore(self) -> None:
        """Put all of them back."""
        torch.set_rng_state(self.torch)
        numpy.random.set_state(self.numpy)
        random.setstate(self.python)


@contextmanager
def moved_generator(which: str) -> Iterator[None]:
    """Put one global generator, "torch", "numpy" or "random", into another state for a while."""
    before = Generators()
    seeds: dict[str, Callable[[int], Any]] = {
        "torch": torch.default_generator.manual_seed,
        "numpy": numpy.random.seed,
        "random": random.seed,
    }
    seeds[which](20_260_101)
    try:
        yield
    finally:
        before.restore()


@contextmanager
def watched_clocks(device: object, *, moved: bool) -> Iterator[list[str]]:
    """Note which clocks of the computer are read in this thread, wherever the device got hold of them.

    Args:
        device: whose modules are searched for clocks imported by name.
        moved: whether the clocks run ahead meanwhile.

    Yields:
        The names of the clocks that were read, so far.
    """
    heard: list[str] = []
    here = threading.get_ident()

    def watched(name: str, clock: Callable[..., Any], unit: float) -> Callable[..., Any]:
        def read(*given: Any) -> Any:
            now = clock(*given)
            if threading.get_ident() != here:
                return now
            heard.append(f"time.{name}")
            return now + type(now)(unit * _SHIFT) if moved else now

        return read

    class Calendar(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            heard.append("datetime.now")
            return _TODAY.now(tz) + datetime.timedelta(seconds=_SHIFT * moved)

        @classmethod
        def utcnow(cls) -> Any:
            heard.append("datetime.utcnow")
            return cls.now(datetime.UTC).replace(tzinfo=None)

    def calendar(name: str, clock: Callable[..., Any], now: Callable[[], float]) -> Callable[..., Any]:
        moment = time.localtime  # the real one, whatever stands there meanwhile

        def read(*given: Any) -> Any:
            given = tuple(each for each in given if each is not None)
            if len(given) == (name == "strftime") and threading.get_ident() == here:
                heard.append(f"time.{name}")
                shown = now() + _SHIFT * moved
                given = (*given, moment(shown) if name in ("asctime", "strftime") else shown)
            return clock(*given)

        return read

    replaced: dict[Any, Any] = {_TODAY: Calendar}
    for name in _CALENDARS:
        replaced[getattr(time, name)] = calendar(name, getattr(time, name), time.time)
    for name in _CLOCKS:
        for full, unit in ((name, 1.0), (f"{name}_ns", 1e9)):
            replaced[getattr(time, full)] = watched(full, getattr(time, full), unit)
    with ExitStack() as stack:
        for module in (time, datetime, *_modules(device)):
            for name, value in list(vars(module).items()):
                if isinstance(value, type | _BUILTIN) and value in replaced:
                    stack.enter_context(mock.patch.object(module, name, replaced[value]))
        yield heard


_TODAY: Final = datetime.datetime
_BUILTIN: Final = type(time.time)


def _modules(device: object) -> list[ModuleType]:
    """The modules in which the device's classes were written, those of wrapped devices too."""
    parts, found = [device], {}
    while parts:
        part = parts.pop()
        for kind in type(part).__mro__:
            name = kind.__module__
            if name in sys.modules and not name.startswith(("builtins", "typing", "abc", "analog.")):
                found[name] = sys.modules[name]
        parts += (
            [p for p in vars(part).values() if hasattr(p, "collect")] if hasattr(part, "__dict__") else []
        )
    return [m for m in found.values() if m not in (time, datetime)]
