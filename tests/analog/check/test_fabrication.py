"""Tests of the laws that refuse what no factory may deliver."""

import pytest

from analog.check.fabrication import check_fabrication, check_parameters
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_parameters, "a coupling that nobody knows"),
        (check_fabrication, "a birth by python's dice"),
        (check_fabrication, "a birth by torch's dice, put back"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
