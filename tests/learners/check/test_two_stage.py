"""The two-stage rule alarms as seldom as it says."""

from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from analog import stream
from learners.check.two_stage import STAGES, listed, refused, two_stage


def test_true_nulls_alarm_no_more_than_stated() -> None:
    """20,000 true laws of 400 draws: stage 1 alone alarms at 1e-3 (here 20 expected, 45 is 5 sigma)."""
    generator = stream(0, "nulls")
    sample = torch.randn(400, 20_000, generator=generator, dtype=torch.float64)
    z = sample.mean(0) / (sample.std(0) / 20)
    assert int((z.abs() > STAGES[0][1]).sum()) < 45
    alarms = sum(
        refused(
            two_stage(
                lambda n, g: torch.randn(n, 200, generator=g, dtype=torch.float64),
                torch.zeros(200),
                400,
                generator,
            )
        )
        for _ in range(100)
    )
    assert alarms == 0


def given(off: float, spread: float = 1.0) -> Any:
    """Rows of two means: one as the law has it, one off by as much, half of them above and half below."""

    def sample(n: int, generator: Generator) -> Tensor:
        signs = 1.0 - 2.0 * (torch.arange(n, dtype=torch.float64) % 2)
        return torch.stack((3.0 + 0 * signs, 3.0 + off + spread * signs), -1)

    return sample


def worst(off: float, spread: float = 1.0) -> tuple[float, ...]:
    return two_stage(given(off, spread), torch.full((2,), 3.0, dtype=torch.float64), 1000, stream(0))


def test_what_the_first_stage_does_not_keep_goes_to_a_second_of_ten_times_as_many() -> None:
    error = 1000**-0.5
    for errors in (0.0, 3.28, -3.28):
        (z,) = worst(errors * error)
        assert z == pytest.approx(abs(errors), rel=1e-3) and not refused((z,))
    for errors in (3.31, -4.0):
        first, second = worst(errors * error)
        assert first == pytest.approx(abs(errors), rel=1e-3)
        assert second == pytest.approx(abs(errors) * 10**0.5, rel=1e-3) and refused((first, second))
    assert not refused((4.0, 4.89)) and refused((4.0, 4.90)) and not refused((3.29,)) and refused((3.30,))
    assert listed((3.31, 10.04)) == "3.3, then 10.0"


def test_what_is_at_the_bound_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    (z,) = worst(0.05)
    monkeypatch.setattr("learners.check.two_stage.STAGES", ((1, z), (10, 9.0)))
    assert worst(0.05) == (z,) and not refused((z,))


def test_what_has_no_spread_is_exact_to_rounding() -> None:
    assert worst(3e-12, 0.0) == (0.0,) and worst(-3e-12, 0.0) == (0.0,)
    assert refused(worst(4.5e-12, 0.0)) and refused(worst(-1e-10, 0.0))


def test_a_law_that_is_not_finite_is_kept_by_no_sample() -> None:
    for wanted in (torch.inf, -torch.inf, torch.nan):
        worst = two_stage(
            lambda n, g: torch.randn(n, 1, generator=g), torch.full((1,), wanted), 100, stream(0, "infinite")
        )
        assert refused(worst)
