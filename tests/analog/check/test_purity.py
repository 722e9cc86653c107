"""Tests of the laws that refuse functions that alter their arguments."""

import pytest

from analog.check.purity import check_purity
from tests.analog.check.judging import Law, faults_of, honest_with, require_kept, require_refused

LAWS = (check_purity,)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)
