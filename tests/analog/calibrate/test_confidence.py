"""Confidence distributions: quantiles undo probabilities, and skewness is taken out."""

import math

import pytest
import torch

from analog import stream
from analog.calibrate.confidence import ConfidenceDistribution
from analog.calibrate.scales import SearchScale

PLAIN, UP, DOWN = SearchScale("x", 0, 0.1), SearchScale("x", 1, 0.1), SearchScale("x", -1, 0.1)


@pytest.mark.parametrize("scale", [PLAIN, UP, DOWN], ids=["plain", "positive", "negative"])
@pytest.mark.parametrize("skewness", [-0.8, 0.0, 0.3])
@pytest.mark.parametrize("share", [0.2, 1.0])
def test_a_quantile_has_its_probability(scale: SearchScale, skewness: float, share: float) -> None:
    law = ConfidenceDistribution(scale, 0.3, 0.2, skewness, 40.0, share, low=-0.05, high=0.8)
    values = [law.quantile(p) for p in (0.01, 0.025, 0.3, 0.5, 0.9, 0.975)]
    assert values == sorted(values)
    assert [law.cdf(v) for v in values] == pytest.approx((0.01, 0.025, 0.3, 0.5, 0.9, 0.975), abs=1e-9)


def test_quantiles_of_many_gaussian_cells_and_of_few() -> None:
    """1.96 standard errors; Student's 2.23 by ten degrees of freedom; a tail moves both ends its way."""
    many, few = ConfidenceDistribution(PLAIN, 0.0, 1.0), ConfidenceDistribution(PLAIN, 0.0, 1.0, 0.0, 10.0)
    assert many.quantile(0.975) == pytest.approx(1.959964, abs=1e-5)
    assert few.quantile(0.025) == pytest.approx(-2.228139, abs=1e-5)
    skewed = ConfidenceDistribution(PLAIN, 0.0, 1.0, 0.02)
    middle = (skewed.quantile(0.975) + skewed.quantile(0.025)) / 2
    assert middle == pytest.approx(0.02 * (2 * 1.959964**2 + 1) / 6, rel=0.01)


def test_nothing_lies_beyond_the_range() -> None:
    law = ConfidenceDistribution(UP, 0.0, 1.0, low=-math.inf, high=0.5)
    assert law.cdf(math.exp(0.5)) == 1.0 and law.cdf(2.0) == 1.0 and law.cdf(-1.0) == 0.0
    assert law.quantile(0.999) < math.exp(0.5)


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_means_of_skewed_values_are_covered_on_both_sides(share: float) -> None:
    """4,000 means of 30 exponential values: each tail of 5 % holds 5 % to within 1.6; without, less so.

    The variance is `share` times the sample's own and the rest known. Sampling error .34 %.
    """
    n, trials = 30, 4000
    sample = -torch.rand(trials, n, generator=stream(0, "skewed"), dtype=torch.float64).log()
    means = sample.mean(1)
    errors = ((share * sample.var(1) + 1 - share) / n).sqrt()
    beyond = {2 / n**0.5: [0.0, 0.0], 0.0: [0.0, 0.0]}
    for skewness, tails in beyond.items():
        for mean, error in zip(means.tolist(), errors.tolist(), strict=True):
            below = ConfidenceDistribution(PLAIN, mean, error, skewness, share=share).cdf(1.0)
            tails[0] += (below < 0.05) / trials
            tails[1] += (below > 0.95) / trials
    for tail in beyond[2 / n**0.5]:
        assert abs(tail - 0.05) < 0.016 + 4.5 * (0.05 * 0.95 / trials) ** 0.5
    assert max(abs(t - 0.05) for t in beyond[0.0]) > max(abs(t - 0.05) for t in beyond[2 / n**0.5])
