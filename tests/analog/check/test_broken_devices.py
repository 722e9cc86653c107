"""Every broken device we could think of is refused, for what it breaks; every odd and sound one passes."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from analog import ContractError, check_device
from tests.analog.check.broken import BREACHES
from tests.analog.check.escapes import ESCAPES
from tests.analog.check.honest import HONEST


@pytest.fixture(autouse=True)
def its_own_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a broken device does to files, the environment and global generators ends with its test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("READINGS_OF_A_DEVICE", "0")
    before = torch.get_rng_state()
    yield
    torch.set_rng_state(before)


def judged(name: str) -> object:
    """The name of a device, marked if it is not yet judged rightly."""
    marks = [pytest.mark.xfail(strict=True, reason="no law yet")] if name in ESCAPES else []
    return pytest.param(name, marks=marks)


def some(names: Iterable[str], part: int) -> list[object]:
    """All of them in `make fuzz`, where three minutes do not matter; otherwise one in `part`."""
    step = 1 if settings.get_current_profile_name() == "fuzz" else part
    return [judged(name) for name in [*names][::step]]


@pytest.mark.parametrize("name", some(BREACHES, 4))
def test_a_broken_device_is_refused_for_what_it_breaks(name: str) -> None:
    breach = BREACHES[name]
    with pytest.raises(ContractError, match=re.compile(breach.law, re.IGNORECASE)):
        check_device(breach.make(), steps=breach.steps)


@pytest.mark.parametrize("name", some(HONEST, 3))
def test_an_odd_device_that_keeps_every_law_passes(name: str) -> None:
    assert check_device(HONEST[name], steps=0)


def test_only_known_devices_escape() -> None:
    assert set(ESCAPES) <= {*BREACHES, *HONEST}
