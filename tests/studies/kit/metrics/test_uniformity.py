"""Uniformity is judged exactly: a right posterior passes as often as stated, an over-confident one fails."""

import numpy as np
import pytest
from scipy.stats import norm

from studies.kit.metrics.uniformity import uniformity_band, uniformity_p

GENERATOR = np.random.default_rng(20221)


def ranks(truths: int, confidence: float) -> np.ndarray:
    """Of a Gaussian mean with a Gaussian prior: the posterior's sd is taken `confidence` times too small."""
    truth = GENERATOR.standard_normal(truths)
    measured = truth + 0.5 * GENERATOR.standard_normal(truths)
    mean, sd = measured / 1.25, (0.25 / 1.25) ** 0.5
    return norm.cdf((truth - mean) * confidence / sd)


def test_a_right_posterior_passes_and_false_ones_fail() -> None:
    """60 studies of 100 truths: at most 12 alarms at 5 % (chance 2e-5); of false widths all fail."""
    right = [uniformity_p(ranks(100, 1.0)) < 0.05 for _ in range(60)]
    assert sum(right) <= 12
    assert all(uniformity_p(ranks(100, 2.0)) < 0.05 for _ in range(5))
    assert all(uniformity_p(ranks(100, 0.4)) < 0.05 for _ in range(5))
    assert uniformity_p(np.clip(ranks(100, 1.0) + 0.25, 0, 1)) < 1e-3


@pytest.mark.parametrize("n", [2, 20, 60])
def test_as_many_uniform_samples_leave_the_band_as_stated(n: int) -> None:
    """40,000 samples; at least 95 % within (counts are whole), |z| < 4.5 of the binomial."""
    points, low, high = uniformity_band(n)
    counts = (GENERATOR.random((40_000, 1, n)) <= points[None, :, None]).mean(2)
    inside = ((counts >= low) & (counts <= high)).all(1).mean()
    assert inside > 0.95 - 4.5 * (0.05 * 0.95 / 40_000) ** 0.5
    if n == 60:
        assert inside < 0.97


def test_a_p_value_is_at_most_as_often_small_as_it_says() -> None:
    """Exact for all 3 values of n = 2 at its one point, 1/2: none, one or both below."""
    assert uniformity_p(np.array([0.1, 0.9])) == pytest.approx(1.0)
    assert uniformity_p(np.array([0.1, 0.2])) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="one or more from 0 to 1"):
        uniformity_p(np.array([]))
    with pytest.raises(ValueError, match="one or more from 0 to 1"):
        uniformity_p(np.array([1.5]))
