"""Effects are estimated without what noise adds, and judged at the error rate that is asked for."""

import math

import pytest
import torch

from analog import stream
from analog.certificate.statistics import Effect, judge, lags, noise_of, squared_size, variances


def test_the_square_of_a_mean_is_unbiased_under_noise_ten_times_its_size() -> None:
    """Standard error .07 of the square; a plain square would show 100 times as much. False alarm 1e-6."""
    mean = torch.ones(20, dtype=torch.float64)
    noise = 10 * torch.randn(40_000, 20, generator=stream(0, "unbiased"), dtype=torch.float64)
    effect = squared_size("mean", mean + noise, 1.0, 0.5)
    error = float(effect.values.std()) / math.sqrt(len(effect.values))
    assert abs(float(effect.values.mean()) - 1) < 5 * error < 1


@pytest.mark.parametrize("kind", ["size", "either", "above"])
def test_an_effect_at_its_tolerance_is_called_broken_no_more_often_than_asked(kind: str) -> None:
    """Asked for .02, in 4,000 trials of 16 values: 80 are expected at most, sd 9; false alarm 1e-5."""
    values = torch.randn(4000, 16, generator=stream(0, "level", kind), dtype=torch.float64)
    tolerance = 0.5
    at = tolerance**2 if kind == "size" else tolerance
    broken = sum(judge(Effect("", at + v, kind, tolerance), 0.02).broken for v in values)  # type: ignore[arg-type]
    assert 20 < broken < 80 + 40


def test_an_effect_is_held_broken_or_neither_by_its_interval() -> None:
    wide = torch.randn(16, generator=stream(0, "wide"), dtype=torch.float64)
    for shift, noise, held, broken in (
        (0.0, 0.1, True, False),
        (0.0, 3.0, False, False),
        (2.0, 0.1, False, True),
    ):
        judged = judge(Effect("", shift + noise * wide, "either", 1.0), 1e-3)
        assert (judged.held, judged.broken) == (held, broken)
        assert judged.low < judged.value < judged.high
    exact = judge(Effect("", torch.full((16,), 2.0, dtype=torch.float64), "above", 1.0), 1e-6)
    assert exact.broken and exact.low == exact.high == 2


def test_rare_noise_of_one_size_is_no_effect() -> None:
    """Products of which one or two are not 0, or eight alike, prove nothing at a level of 1e-6."""
    for values in ([1.0] * 8, [0.0] * 60 + [5.0, 5.0], [-0.8] * 20):
        alike = torch.tensor(values, dtype=torch.float64)
        assert not judge(Effect("", alike, "either", 0.01, symmetric=True), 1e-6).broken
    sure = judge(Effect("", torch.full((40,), 0.5, dtype=torch.float64), "either", 0.2, symmetric=True), 1e-6)
    assert sure.broken
    assert not judge(sure_but_seen := Effect("", torch.full((40,), 0.5), "seen", 0.2), 1e-6).broken
    assert not judge(sure_but_seen, 1e-6).held


def test_correlations_and_variances_are_what_they_are() -> None:
    drawn = torch.randn(2000, 6, 10, generator=stream(0, "correlated"), dtype=torch.float64)
    shared = (drawn + 2 * drawn[:, :1].flip(-1)) / math.sqrt(5)  # correlation .8 but with the first
    by_name = {e.name: float(e.values.mean()) for e in lags("x", shared[:, 1:], (1, 3), 0.2)}
    assert by_name["x, noise 1 apart"] == pytest.approx(0.8, abs=0.03)
    assert by_name["x, noise 3 apart"] == pytest.approx(0.8, abs=0.03)
    assert by_name["x, size of the noise 1 apart"] == pytest.approx(0.64, abs=0.06)
    ratio = variances("x", 3 * drawn, drawn.flip(0), 0.1)
    assert float(ratio.values.mean()) == pytest.approx(0.8, abs=0.02)
    drifting = drawn + 5 * torch.linspace(0, 1, 2000, dtype=torch.float64)[:, None, None]
    assert float(noise_of(drifting).var()) == pytest.approx(1, abs=0.03)
