"""Tests of the laws that refuse what depends on anything but its arguments."""

from analog.check.repetition import check_first_uses, check_repetition
from tests.analog.check.judging import law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_repetition,
    check_first_uses,
)
