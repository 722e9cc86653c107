"""Numbers in closing tables."""

import pytest

from studies.kit.report.tables import (
    fixed,
    low_high,
    mean_of,
    mean_sd,
    mean_with_interval,
    percent,
    percent_with_interval,
    points_between,
    round_count,
    short_number,
)


def test_numbers_show_as_many_digits_as_asked_for() -> None:
    assert (percent(0.12345), percent(0.12345, 1)) == ("12.35", "12.3")
    assert (fixed(1.005, 1), fixed(2.0)) == ("1.0", "2.00")
    assert (short_number(1_234_567), short_number(0.01234, 3)) == ("1.2e+06", "0.0123")
    assert round_count(1_234_567) == "1,200,000"


def test_what_is_not_there_leaves_its_cell_empty() -> None:
    assert {percent(None), fixed(None), short_number(None), round_count(None), low_high([])} == {""}
    assert mean_of([{"accuracy": None}, {}], "accuracy") is None


def test_means_are_over_the_rows_that_have_the_field() -> None:
    assert mean_of([{"bits": 2}, {"bits": None}, {}, {"bits": 4}], "bits") == 3


def test_the_spread_of_values_stands_beside_their_mean() -> None:
    assert (mean_sd([1.0, 3.0]), mean_sd([1.0])) == ("2.00 +- 1.41", "1.00")
    assert mean_sd([2.0, 2.0]) == "2.00 (all equal)"
    assert low_high([3.0, 1.0, 2.0], 1) == "1.0 3.0"


def test_shares_stand_with_the_interval_of_student() -> None:
    """Two values 2 points apart: t(0.975, 1) = 12.706 times 1; one value, or none, has no interval."""
    assert percent_with_interval([0.90, 0.92]) == "91.00 +- 12.71"
    assert (percent_with_interval([0.9]), percent_with_interval([])) == ("90.00", "")


@pytest.mark.parametrize("chips", [2, 10])
def test_chips_that_are_all_equal_have_no_interval_and_say_so(chips: int) -> None:
    """Also where they are equal but for rounding; an interval that is only short is no zero."""
    assert percent_with_interval([0.3] * chips) == "30.00 (all equal)"
    assert mean_with_interval([0.0] * chips) == "0.00 (all equal)"
    assert mean_with_interval([0.1 + 0.2, 0.3] * chips, 3) == "0.300 (all equal)"
    assert mean_with_interval([1.0, 1.0001] * chips) == "1.00 +- <0.01"


def test_differences_are_paired_chip_by_chip() -> None:
    """Chips that are far apart, but all by as much behind, are behind without doubt."""
    assert points_between([0.5, 0.7, 0.91], [0.4, 0.6, 0.8], 1) == "10.3 +- 1.4"
    with pytest.raises(ValueError, match="zip"):
        points_between([0.5], [0.4, 0.6])
