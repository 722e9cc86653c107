"""Timings: an iterator is clocked while it works, and not while its items are used."""

import time
from collections.abc import Iterator

import pytest
import torch

from studies.kit.metrics.timings import Timed, peak_memory


def test_only_the_iterator_s_own_time_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    now = {"wall": 0.0, "cpu": 0.0}
    monkeypatch.setattr(time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(time, "process_time", lambda: now["cpu"])

    def work() -> Iterator[int]:
        for number in range(3):
            now["wall"] += 5.0
            now["cpu"] += 2.0
            yield number

    clocked = Timed(work())
    for _ in clocked:
        now["wall"] += 100.0
        now["cpu"] += 100.0
    assert (clocked.wall_seconds, clocked.cpu_seconds) == (15.0, 6.0)


def test_the_peak_of_memory_holds_what_was_ever_held() -> None:
    pytest.importorskip("resource")
    before = peak_memory()
    held = torch.ones(2**26)  # 256 MiB
    after = peak_memory()
    assert after >= 0.25 and after >= before
    del held
    assert peak_memory() >= after
