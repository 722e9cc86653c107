"""Tests of the laws that refuse what depends on anything but its arguments."""

import time

import pytest

from analog import ContractError, Ideal, dense
from analog.check.repetition import check_first_uses, check_repetition
from analog.check.trial import Trial
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_repetition,
    check_first_uses,
)


def test_first_uses_that_differ_are_called_by_their_cause() -> None:
    """Which a longer history tells."""
    clocked = bent(Ideal(), sense=lambda c, u, n: u + time.perf_counter_ns() % 997)
    with pytest.raises(ContractError, match="reads the computer's clock"):
        check_first_uses(Trial(clocked, (dense(3, 2),)))
