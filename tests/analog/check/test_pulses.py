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
        (check_probes, "knobs clamped at 3 by a probe"),
        (check_pulses, "pulses backwards when there is noise"),
        (check_pulses, "pulses backwards after a while"),
        (check_zero_pulses, "half-selected cells that nobody was told of"),
        (check_zero_pulses, "a pulse of zero that disturbs in float64"),
        (check_zero_pulses, "a pulse of zero that changes a cell in a thousand"),
        (check_huge_pulses, "bounds upside down"),
        (check_huge_pulses, "bounds kept on one side"),
        (check_huge_pulses, "a drive of 3e38 leaves no number"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
