"""One law at a time: whether a device keeps it, and what is said of one that does not."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import settings

from analog import ContractError, Device
from analog.check import _LAWS, _trials, _try, device_laws
from analog.check.trial import Trial
from analog.contract import OncePerPart
from tests.analog.check.broken import BREACHES
from tests.analog.check.broken.refused import REFUSED
from tests.analog.check.broken.refused_too import REFUSED_TOO
from tests.analog.check.honest import HONEST
from tests.sampled import sampled

Law = Callable[[Trial], None]


def judge(law: Law, device: Device) -> None:
    """Try one law on both wirings."""
    _try(law, OncePerPart(partial(_trials, 0)), device)


def require_lawful(device: Device, turn: int) -> None:
    """A device keeps its share of the laws, which go by turns; in `make fuzz`, all of them."""
    laws = device_laws(0)
    turn %= len(laws)
    for law in sampled(laws[turn:] + laws[:turn], 6):
        law.check(device)


def law_tests(*laws: Law) -> tuple[Any, Any]:
    """The two tests that every module of laws has: that each refuses its faults, and keeps to them."""

    @pytest.mark.parametrize(("law", "fault"), faults_of(*laws))
    def refuses(law: Law, fault: str) -> None:
        """A faulty device is refused by the law alone, and for its fault."""
        with pytest.raises(ContractError, match=re.compile(BREACHES[fault].law, re.IGNORECASE)):
            judge(law, BREACHES[fault].make())

    @pytest.mark.parametrize(("law", "name"), honest_with(*laws))
    def keeps(law: Law, name: str) -> None:
        """An honest device keeps the law, alone."""
        judge(law, HONEST[name])

    return refuses, keeps


def faults_of(*laws: Law) -> list[Any]:
    """Each law with the broken devices that it refuses; in `make fuzz` also those refused before it."""
    fuzz = settings.get_current_profile_name() == "fuzz"
    tables = (REFUSED, REFUSED_TOO) if fuzz else (REFUSED,)
    return [
        pytest.param(law, fault, id=f"{law.__name__}: {fault}")
        for law in laws
        for table in tables
        for fault in table.get(law.__name__, ())
    ]


def honest_with(*laws: Law) -> list[Any]:
    """Each law with some honest devices, other ones for every law; in `make fuzz` with all of them."""
    return [
        pytest.param(law, name, id=f"{law.__name__}: {name}")
        for law in laws
        for name in sampled([*HONEST][[each.__name__ for each in _LAWS].index(law.__name__) :], len(_LAWS))
    ]
