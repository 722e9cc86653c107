"""Tests of the laws that refuse examples, probes, tiles and chips that influence each other."""

import pytest

from analog.check.influence import (
    check_chips_of_fleets,
    check_influence_in_cells,
    check_influence_in_readings,
)
from tests.analog.check.judging import Law, faults_of, honest_with, require_kept, require_refused

LAWS = (
    check_influence_in_readings,
    check_influence_in_cells,
    check_chips_of_fleets,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)
