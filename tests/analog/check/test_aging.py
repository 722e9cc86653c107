"""Tests of the laws that refuse ageing that does not run along the clock."""

import pytest

from analog.check.aging import check_aging, check_aging_by_chance
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_aging, "an amplifier that drifts anew at every look"),
        (check_aging, "waits below a second forgotten"),
        (check_aging_by_chance, "a spread that grows with t"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
