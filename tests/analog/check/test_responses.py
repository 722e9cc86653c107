"""Tests of the laws that refuse responses that are stale, not finite, or have another gradient."""

import pytest

from analog.check.responses import (
    check_finite_readings,
    check_freshness,
    check_gradients,
    check_memory,
    check_noiseless_slopes,
    check_slopes_at_zero,
)
from tests.analog.check.judging import Law, faults_of, honest_with, require_kept, require_refused

LAWS = (
    check_freshness,
    check_finite_readings,
    check_slopes_at_zero,
    check_noiseless_slopes,
    check_memory,
    check_gradients,
)


@pytest.mark.parametrize(("law", "fault"), faults_of(*LAWS))
def test_the_law_alone_refuses_a_faulty_device_for_its_fault(law: Law, fault: str) -> None:
    require_refused(law, fault)


@pytest.mark.parametrize(("law", "name"), honest_with(*LAWS))
def test_an_honest_device_keeps_the_law(law: Law, name: str) -> None:
    require_kept(law, name)
