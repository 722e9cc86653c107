"""Tests of the laws that refuse functions that alter their arguments."""

import pytest

from analog.check.purity import check_purity
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_purity, "cells altered by a probe above 3"),
        (check_purity, "a drive altered above .3"),
        (check_purity, "float64 from fire with probes"),
        (check_purity, "cells altered by bounds"),
        (check_purity, "cells altered by worn_out"),
        (check_purity, "a row short with probes"),
        (check_purity, "a field that is forgotten"),
        (check_purity, "cells aged in place after a day"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
