"""One law at a time: whether a device keeps it, and what is said of one that does not."""

import re
from collections.abc import Callable

import pytest

from analog import ContractError, Device, Mismatched
from analog.check import _Trials, _try, device_laws
from analog.check.trial import Trial
from tests.analog.check.broken import BREACHES
from tests.sampled import sampled

Law = Callable[[Trial], None]


def judge(law: Law, device: Device) -> None:
    """Try one law on both wirings."""
    _try(law, _Trials(0), device)


def require_lawful(device: Device, turn: int) -> None:
    """A device keeps its share of the laws, which go by turns; in `make fuzz`, all of them."""
    laws = device_laws(0)
    turn %= len(laws)
    for law in sampled(laws[turn:] + laws[:turn], 6):
        law.check(device)


def require_judged(law: Law, fault: str) -> None:
    """A sound device keeps the law; the faulty one is refused by this law alone, and for its fault."""
    judge(law, Mismatched())
    with pytest.raises(ContractError, match=re.compile(BREACHES[fault].law, re.IGNORECASE)):
        judge(law, BREACHES[fault].make())
