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


FIRST_OF_EACH_LAW = {  # where a message names one law alone; those of two are left to `make fuzz`
    breach.law: name for name, breach in reversed(BREACHES.items()) if "|" not in breach.law
}
PLAIN = (  # and the plainest faults, those that authors of devices make, if no test of one law has them
    "an auto-ranging converter over the batch",
    "a gain by the size of the batch",
    "a gain by the number of the example",
    "a leak of the mean over tiles into sense",
    "a gain by the number of the probe",
    "chips that hear each other's probes",
    "chips that share a perturbation",
    "noise that grows with the count of probes",
    "a fleet's noise drawn once for all its probes",
    "noise of probed nodes, the first's given to all where no knob is probed",
    "write noise, the first chip's given to all",
    "random drift, the first chip's given to all",
    "read noise shared by tiles",
    "a random walk along the batch",
    "readings that are remembered",
    "a spread that is not additive beside a uniform",
    "an amplifier that ages in no time",
    "a pulse of zero that changes a cell in a thousand",
    "half-selected cells that nobody was told of",
    "a gain by the wall clock",
    "a gain by python's dice",
    "noise by numpy's dice",
    "an amplifier stale after a pulse",
    "no number for a sum of 0 in fire",
    "no number for inputs above 100",
    "float64 from fire with probes",
    "wear as an attribute of the tensor",
    "an end that is a number",
    "a gain that grows an axis when pulsed",
    "an age that divides by the time",
)


def some(names: Iterable[str], few: Iterable[str]) -> list[object]:
    """All of them in `make fuzz`, where three minutes do not matter; otherwise a few."""
    return [judged(name) for name in (names if settings.get_current_profile_name() == "fuzz" else few)]


@pytest.mark.parametrize("name", some(BREACHES, sorted({*PLAIN, *FIRST_OF_EACH_LAW.values()})))
def test_a_broken_device_is_refused_for_what_it_breaks(name: str) -> None:
    breach = BREACHES[name]
    with pytest.raises(ContractError, match=re.compile(breach.law, re.IGNORECASE)):
        check_device(breach.make(), steps=breach.steps)


@pytest.mark.parametrize("name", some(HONEST, [*HONEST][::16]))
def test_an_odd_device_that_keeps_every_law_passes(name: str) -> None:
    assert check_device(HONEST[name], steps=0)


def test_only_known_devices_escape() -> None:
    assert set(ESCAPES) <= {*BREACHES, *HONEST}
