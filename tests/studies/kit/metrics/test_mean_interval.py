"""Laws of the interval of a mean."""

from math import inf

import pytest
import torch

from analog import stream
from studies.kit.metrics.mean_interval import NORMAL_QUANTILE, cluster_means, mean_interval


def test_three_values_have_the_interval_of_student() -> None:
    """Mean 2, sd 1, so 4.303 / sqrt 3."""
    assert mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2.4841), abs=1e-3)


def test_a_quantile_stands_in_for_the_one_of_student() -> None:
    assert mean_interval([1.0, 2.0, 3.0], NORMAL_QUANTILE) == pytest.approx((2.0, 1.96 / 3**0.5))


def test_nothing_is_known_of_the_spread_of_a_single_value() -> None:
    assert mean_interval([7.0]) == (7.0, inf)


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    """Of 4,000 samples of 4: the share lies within 4 standard errors of .95."""
    samples = torch.randn(4000, 4, generator=stream(0, "mean_interval")).tolist()
    held = [abs(mean) <= half for mean, half in map(mean_interval, samples)]
    assert sum(held) / len(held) == pytest.approx(0.95, abs=4 * (0.95 * 0.05 / 4000) ** 0.5)


def test_what_comes_of_one_teacher_counts_once() -> None:
    assert cluster_means([1.0, 3.0, 5.0, 9.0], ["a", "b", "a", "b"]) == [3.0, 6.0]
    assert cluster_means([1.0, 3.0], ["a", "a"]) == [1.0, 3.0]
    with pytest.raises(ValueError, match="argument"):
        cluster_means([1.0], [])
