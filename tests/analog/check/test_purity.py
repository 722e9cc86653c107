"""Tests of the laws that refuse functions that alter their arguments."""

from analog.check.purity import check_purity
from tests.analog.check.judging import law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_purity,
)
