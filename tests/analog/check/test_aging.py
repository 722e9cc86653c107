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
        (check_aging, "an amplifier that ages in no time"),
        (check_aging, "an age that divides by the time"),
        (check_aging, "waits above an hour cut short"),
        (check_aging, "noise that wakes up at every wait"),
        (check_aging, "a wear that counts waits"),
        (check_aging_by_chance, "switches with a chance that is linear in time"),
        (check_aging_by_chance, "jumps whose sum is another law"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
