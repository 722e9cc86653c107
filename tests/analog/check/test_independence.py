"""Tests of the laws that refuse noise that is shared, or comes again."""

import pytest

from analog.check.independence import check_fresh_noise, check_noise_of_readings, check_noise_of_writes
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_fresh_noise, "a generator seeded with 0 at every reading"),
        (check_fresh_noise, "noise that begins anew with every pulse"),
        (check_noise_of_readings, "noise shared by examples 2k and 2k + 1"),
        (check_noise_of_readings, "noise shared by batches above 64"),
        (
            check_noise_of_readings,
            "noise of probed nodes, the first's given to all where no knob is probed",
        ),
        (check_noise_of_writes, "write noise antithetic over chips"),
        (check_noise_of_writes, "random drift of an hour shared by the fleet"),
        (check_noise_of_readings, "noise shared by fleets above eight"),
        (check_noise_of_readings, "noise of negative sums shared by the batch"),
        (check_noise_of_writes, "write noise, the first chip's given to all"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
