"""One law at a time: whether a device keeps it, and what is said of one that does not."""

import re
from collections.abc import Callable

import pytest

from analog import ContractError, Device, Mismatched
from analog.check import _try
from analog.check.trial import Trial
from tests.analog.check.broken import BREACHES

Law = Callable[[Trial], None]


def judge(law: Law, device: Device) -> None:
    """Try one law on both wirings."""
    _try(law, 0, device)


def require_judged(law: Law, fault: str) -> None:
    """A sound device keeps the law; the faulty one is refused by this law alone, and for its fault."""
    judge(law, Mismatched())
    with pytest.raises(ContractError, match=re.compile(BREACHES[fault].law, re.IGNORECASE)):
        judge(law, BREACHES[fault].make())
