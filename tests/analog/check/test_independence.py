"""Tests of the laws that refuse noise that is shared, or comes again."""

import pytest

from analog.check.independence import check_fresh_noise, check_noise_of_readings, check_noise_of_writes
from tests.analog.check.judging import Law, faults_of, honest_with, require_kept, require_refused

LAWS = (
    check_fresh_noise,
    check_noise_of_readings,
    check_noise_of_writes,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)
