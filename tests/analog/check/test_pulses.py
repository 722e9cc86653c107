"""Tests of the laws that refuse writes that do something else than they are told."""

import itertools

import pytest

from analog import ContractError, Ideal
from analog.check.pulses import (
    check_histories,
    check_huge_pulses,
    check_probes,
    check_pulses,
    check_zero_pulses,
)
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import Law, faults_of, honest_with, judge, require_kept, require_refused

LAWS = (
    check_probes,
    check_pulses,
    check_zero_pulses,
    check_huge_pulses,
    check_histories,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)


def test_two_chips_of_one_history_are_pulsed_alike_and_differ_if_pulses_do() -> None:
    count = itertools.count()
    restless = bent(Ideal(), pulse=lambda c, d, n: IdealCells(c.knobs + d * (1 + next(count))))
    with pytest.raises(ContractError, match=r"layer \d: cells.knobs differs between two chips"):
        judge(check_histories, restless)
