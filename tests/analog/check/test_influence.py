"""Tests of the laws that refuse examples, probes, tiles and chips that influence each other."""

import pytest

from analog.check.influence import (
    check_chips_of_fleets,
    check_influence_in_cells,
    check_influence_in_readings,
)
from tests.analog.check.judging import Law, require_judged


@pytest.mark.parametrize(
    ("law", "fault"),
    [
        (check_influence_in_readings, "a batch-norm gain"),
        (check_influence_in_readings, "a leak of the mean over probes"),
        (check_influence_in_readings, "a gain by the number of the tile"),
        (check_influence_in_readings, "noise drawn whole, the first chip's given to all"),
        (check_influence_in_cells, "ageing pulls to the mean of the fleet"),
        (check_influence_in_cells, "pulses scaled by the largest of all tiles"),
        (check_chips_of_fleets, "one worn-out chip ends the fleet"),
        (check_influence_in_readings, "a crosstalk between examples above 30 volts"),
        (check_influence_in_readings, "a gain by the number of the probe"),
    ],
)
def test_a_sound_device_keeps_the_law_and_a_faulty_one_does_not(law: Law, fault: str) -> None:
    require_judged(law, fault)
