"""Every broken device we could think of is refused, for what it breaks; every odd and sound one passes."""

import re
from collections.abc import Iterable

import pytest
from hypothesis import settings

from analog import ContractError, check_device
from tests.analog.check.broken import BREACHES
from tests.analog.check.escapes import ESCAPES
from tests.analog.check.honest import HONEST


def judged(name: str) -> object:
    """The name of a device, marked if it is not yet judged rightly."""
    marks = [pytest.mark.xfail(strict=True, reason="no law yet")] if name in ESCAPES else []
    return pytest.param(name, marks=marks)


FIRST_OF_EACH_LAW = {  # all are refused by a law alone in the tests of laws, and by all laws in `make fuzz`
    breach.law: name for name, breach in reversed(BREACHES.items()) if "|" not in breach.law
}


def some(names: Iterable[str], few: Iterable[str]) -> list[object]:
    """All of them in `make fuzz`, where three minutes do not matter; otherwise a few."""
    return [judged(name) for name in (names if settings.get_current_profile_name() == "fuzz" else few)]


@pytest.mark.parametrize("name", some(BREACHES, sorted(FIRST_OF_EACH_LAW.values())))
def test_a_broken_device_is_refused_for_what_it_breaks(name: str) -> None:
    breach = BREACHES[name]
    with pytest.raises(ContractError, match=re.compile(breach.law, re.IGNORECASE)):
        check_device(breach.make(), steps=breach.steps)


@pytest.mark.parametrize("name", some(HONEST, [*HONEST][::16]))
def test_an_odd_device_that_keeps_every_law_passes(name: str) -> None:
    assert check_device(HONEST[name], steps=0)


def test_only_known_devices_escape() -> None:
    assert set(ESCAPES) <= {*BREACHES, *HONEST}
