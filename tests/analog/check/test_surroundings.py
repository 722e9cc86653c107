"""What lies around a device is watched, moved, and put back as it was."""

import datetime
import random
import threading
import time
from time import monotonic_ns, perf_counter
from typing import Any

import numpy
import pytest
import torch

from analog import Ideal
from analog.check.surroundings import GLOBAL_GENERATORS, Generators, _modules, moved_generator, watched_clocks
from analog.effects import Endurance

DRAWS: dict[str, Any] = {"torch": lambda: torch.rand(()), "numpy": numpy.random.rand, "random": random.random}
NOTHING = object()


@pytest.mark.parametrize("which", DRAWS)
def test_a_generator_that_was_used_is_named_and_put_back(which: str) -> None:
    before = Generators()
    assert before.used() is None
    DRAWS[which]()
    assert before.used() == GLOBAL_GENERATORS[which]
    before.restore()
    assert before.used() is None


def test_a_normal_number_that_numpy_keeps_is_a_use_too() -> None:
    before = Generators()
    state: Any = numpy.random.get_state()
    numpy.random.set_state((*state[:3], 1, 0.5))
    assert before.used() == GLOBAL_GENERATORS["numpy"]
    before.restore()


@pytest.mark.parametrize("which", DRAWS)
def test_one_generator_is_moved_for_a_while(which: str) -> None:
    before = Generators()
    with moved_generator(which):
        assert before.used() == GLOBAL_GENERATORS[which]
        DRAWS[which]()
    assert before.used() is None


CLOCKS: dict[str, Any] = {
    **{
        f"time.{name}{unit}": lambda name=name, unit=unit: getattr(time, name + unit)() / (1e9 if unit else 1)
        for name in ("time", "perf_counter", "monotonic", "process_time", "thread_time")
        for unit in ("", "_ns")
    },
    "time.gmtime": lambda: time.mktime(time.gmtime()),
    "time.localtime": lambda: time.mktime(time.localtime(None)),
    "time.ctime": lambda: time.mktime(time.strptime(time.ctime())),
    "time.asctime": lambda: time.mktime(time.strptime(time.asctime())),
    "time.strftime": lambda: time.mktime(time.strptime(time.strftime("%c"), "%c")),
    "datetime.now": lambda: datetime.datetime.now().timestamp(),
    "datetime.utcnow": lambda: datetime.datetime.utcnow().replace(tzinfo=datetime.UTC).timestamp(),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CLOCKS)
def test_a_clock_that_is_read_is_named_and_runs_ahead_if_it_is_moved(name: str) -> None:
    read = CLOCKS[name]
    real = read()
    with watched_clocks(NOTHING, moved=False) as heard:
        assert heard == []
        assert 0 <= read() - real < 3600
        assert heard[0] == name
    with watched_clocks(NOTHING, moved=True) as heard:
        assert 0 <= read() - real - 1e6 < 3600
        assert heard[0] == name
    assert 0 <= read() - real < 3600 and len(heard) <= 2


def test_a_time_that_is_given_and_another_threads_are_nobodys_business() -> None:
    told: list[float] = []
    with watched_clocks(NOTHING, moved=True) as heard:
        assert time.gmtime(0.0).tm_year == 1970 and time.strftime("%Y", time.gmtime(0.0)) == "1970"
        thread = threading.Thread(target=lambda: told.append(time.time()))
        thread.start()
        thread.join()
        assert heard == []
    assert abs(told[0] - time.time()) < 3600


class Dated(Ideal):
    """Reads clocks that its module imported by name."""

    def day(self) -> tuple[float, int]:
        return perf_counter(), monotonic_ns()


def test_clocks_that_a_module_imported_by_name_are_watched_too() -> None:
    for device in (Dated(), Endurance(Dated()), Endurance(Endurance(Dated()))):
        with watched_clocks(device, moved=False) as heard:
            Dated().day()
        assert heard == ["time.perf_counter", "time.monotonic_ns"]
    with watched_clocks(Ideal(), moved=False) as heard:
        Dated().day()
    assert heard == []


def test_the_modules_of_a_device_are_those_of_its_classes_and_none_of_ours() -> None:
    assert [module.__name__ for module in _modules(Endurance(Dated()))] == [__name__]
    assert _modules(Ideal()) == [] and _modules(NOTHING) == []
