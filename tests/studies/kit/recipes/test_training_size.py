"""Laws of the sizes that suit a data set."""

import pytest

from learners.data import load_data
from studies.kit.recipes.training_size import LARGE, SMALL, training_size

DIGITS = load_data("digits")


def test_a_large_data_set_is_one_of_more_than_ten_thousand_examples() -> None:
    train = DIGITS.train
    at_most, above = (
        DIGITS._replace(train=train._replace(x=train.x[:1].expand(n, -1))) for n in (10_000, 10_001)
    )
    assert (training_size(at_most), training_size(above)) == (SMALL, LARGE)


def test_a_size_that_is_not_asked_for_stays_as_it_suits_the_data() -> None:
    assert training_size(DIGITS, hidden=8, epochs=None) == SMALL._replace(hidden=8)


@pytest.mark.parametrize("epochs", [0, -1, float("inf"), float("nan")])
def test_a_size_that_is_not_finite_and_above_0_is_refused(epochs: float) -> None:
    with pytest.raises(ValueError, match=f"epochs is {epochs}, wanted a finite number above 0"):
        training_size(DIGITS, epochs=epochs)
