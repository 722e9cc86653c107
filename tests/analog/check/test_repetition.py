"""Tests of the laws that refuse what depends on anything but its arguments."""

import pytest

from analog.check.repetition import check_first_uses, check_repetition
from tests.analog.check.judging import Law, faults_of, honest_with, require_kept, require_refused

LAWS = (
    check_repetition,
    check_first_uses,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)
