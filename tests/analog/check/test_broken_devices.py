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


FIRST_OF_EACH_LAW = {breach.law: name for name, breach in reversed(BREACHES.items())}
PLAIN = (  # and the plainest faults, those that authors of devices make
    "a batch-norm gain",
    "an auto-ranging converter over the batch",
    "a gain by the size of the batch",
    "a gain by the number of the example",
    "a leak of the mean over tiles into sense",
    "a leak of the mean over probes",
    "a gain by the number of the probe",
    "chips that hear each other's probes",
    "chips that share a perturbation",
    "ageing pulls to the mean of the fleet",
    "one worn-out chip ends the fleet",
    "noise that grows with the count of probes",
    "noise drawn whole, the first probe's given to all",
    "noise drawn whole, the first chip's given to all",
    "write noise, the first chip's given to all",
    "random drift, the first chip's given to all",
    "noise shared by examples 2k and 2k + 1",
    "a random walk along the batch",
    "a generator seeded with 0 at every reading",
    "a spread that grows with t",
    "a spread that is not additive beside a uniform",
    "an amplifier that drifts anew at every look",
    "an amplifier that ages in no time",
    "waits below a second forgotten",
    "a pulse of zero that changes a cell in a thousand",
    "a pulse of zero that changes a tile in 300",
    "a pulse of -0.0 that changes all",
    "a drive altered above .3",
    "cells altered by a probe above 3",
    "probes clamped at 1.3",
    "wear as an attribute of the tensor",
    "a gain by the wall clock",
    "a gain by python's dice",
    "noise by numpy's dice",
    "weights stale after a pulse",
    "an amplifier stale after a pulse",
    "no number for an input of 0",
    "no number for a sum of 0 in fire",
    "no number for inputs above 100",
    "a straight-through slope",
    "float64 from fire with probes",
)


def some(names: Iterable[str], few: Iterable[str]) -> list[object]:
    """All of them in `make fuzz`, where three minutes do not matter; otherwise a few."""
    return [judged(name) for name in (names if settings.get_current_profile_name() == "fuzz" else few)]


@pytest.mark.parametrize("name", some(BREACHES, sorted({*PLAIN, *FIRST_OF_EACH_LAW.values()})))
def test_a_broken_device_is_refused_for_what_it_breaks(name: str) -> None:
    breach = BREACHES[name]
    with pytest.raises(ContractError, match=re.compile(breach.law, re.IGNORECASE)):
        check_device(breach.make(), steps=breach.steps)


@pytest.mark.parametrize("name", some(HONEST, [*HONEST][::12]))
def test_an_odd_device_that_keeps_every_law_passes(name: str) -> None:
    assert check_device(HONEST[name], steps=0)


def test_only_known_devices_escape() -> None:
    assert set(ESCAPES) <= {*BREACHES, *HONEST}
