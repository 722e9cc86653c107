"""Tests of the laws that refuse what depends on anything but its arguments."""

import pytest

from analog.check.repetition import check_first_uses, check_repetition
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_first_uses, "a device that warms up"),
        (check_repetition, "wear as an attribute of the tensor"),
        (check_repetition, "a gain of the day of the year"),
        (check_repetition, "bounds by torch's dice, put back"),
        (check_repetition, "a count of readings on the device"),
        (check_repetition, "wear in a weak dictionary"),
        (check_repetition, "a gain by python's dice"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
