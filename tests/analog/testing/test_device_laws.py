"""Every law of a device is a test of its own in a user's suite; what is broken fails there alone."""

from pathlib import Path
from typing import Any

import pytest

from analog import ContractError, Ideal, check_device
from analog.check import _LAWS, device_laws
from analog.testing import DeviceLaws

SUITE = """
from dataclasses import dataclass

from analog import Ideal
from analog.testing import DeviceLaws


@dataclass(frozen=True)
class Leaky(Ideal):
    def age(self, cells, seconds, noise):  # the square of a time is not additive
        return cells._replace(knobs=cells.knobs * (1 - min(1.0, seconds) ** 2 / 2))


class TestLeaky(DeviceLaws):
    device = Leaky()
    steps = 25


class TestNothing(DeviceLaws):
    steps = 0
"""


class Outcomes:
    """What pytest says of each test."""

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call":
            if report.passed:
                self.passed.append(report.nodeid)
            else:
                self.failed[report.nodeid] = report.longreprtext


def test_a_broken_device_fails_exactly_the_test_of_its_law(tmp_path: Path) -> None:
    suite, outcomes = tmp_path / "test_leaky.py", Outcomes()
    suite.write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    settings = ["-p", "no:cacheprovider", "--capture=no", "-q", "--no-summary", "--import-mode=importlib"]
    chosen = ["-k", "TestLeaky or (TestNothing and frozen)"]
    pytest.main([*settings, f"--rootdir={tmp_path}", *chosen, str(suite)], plugins=[outcomes])
    (empty,) = (name for name in outcomes.failed if "TestNothing" in name)
    assert "TestNothing has no device; write device = ... in its body" in outcomes.failed.pop(empty)
    ids = {f"test_leaky.py::TestLeaky::test_law[{law.sentence}]" for law in device_laws(25)}
    assert {*outcomes.passed, *outcomes.failed} == ids
    assert len(outcomes.failed) == 1, list(outcomes.failed)
    ((broken, why),) = outcomes.failed.items()
    assert "Ageing runs along the clock" in broken and "ContractError" in why and "keep the age" in why


def test_the_laws_are_those_of_check_device_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [law.sentence for law in DeviceLaws().laws()]
    assert len(set(sentences)) == len(sentences) == len(_LAWS) + 1
    monkeypatch.setattr("analog.check._LAWS", _LAWS[:2])
    assert check_device(Ideal(), steps=1) == (*sentences[:2], sentences[-1])


def test_a_class_is_refused_by_every_law() -> None:
    for law in device_laws(25):
        with pytest.raises(ContractError, match=r"wanted a device: write Ideal\(\)"):
            law.check(Ideal)
