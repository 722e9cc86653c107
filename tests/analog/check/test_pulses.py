"""Tests of the laws that refuse writes that do something else than they are told."""

import pytest

from analog.check.pulses import check_huge_pulses, check_probes, check_pulses, check_zero_pulses
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_probes, "probes clamped at 1.3"),
        (check_probes, "a probe clamped after a while"),
        (check_pulses, "pulses above .5 backwards"),
        (check_zero_pulses, "a pulse of -0.0 that changes all"),
        (check_zero_pulses, "a pulse of zero that disturbs a lone chip"),
        (check_huge_pulses, "a cell in 500 past its bounds"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
