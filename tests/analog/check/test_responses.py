"""Tests of the laws that refuse responses that are stale, not finite, or have another gradient."""

import pytest

from analog.check.responses import (
    check_finite_readings,
    check_freshness,
    check_gradients,
    check_memory,
    check_noiseless_slopes,
)
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_freshness, "weights stale after a pulse"),
        (check_finite_readings, "no number for an input of 0"),
        (check_finite_readings, "no number for inputs of 1e-30"),
        (check_gradients, "a straight-through slope"),
        (check_gradients, "a wrong slope above ten volts"),
        (check_noiseless_slopes, "a wrong slope under a probe"),
        (check_memory, "a reading that shares the cells' memory"),
        (check_finite_readings, "no number for a sum of 0 in fire"),
        (check_finite_readings, "no number when there is noise"),
        (check_gradients, "half of the slope detached"),
        (check_freshness, "an amplifier stale after a pulse with noise"),
        (check_freshness, "weights that do not drift with the knobs"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
