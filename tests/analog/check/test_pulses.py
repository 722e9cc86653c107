"""Tests of the laws that refuse writes that do something else than they are told."""

import pytest

from analog.check.pulses import (
    check_histories,
    check_huge_pulses,
    check_probes,
    check_pulses,
    check_zero_pulses,
)
from tests.analog.check.judging import Law, faults_of, honest_with, require_kept, require_refused

LAWS = (
    check_probes,
    check_pulses,
    check_zero_pulses,
    check_huge_pulses,
    check_histories,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)
