"""The two-stage rule alarms as seldom as it says."""

import torch

from analog import stream
from learners.check.two_stage import STAGES, refused, two_stage


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


def test_a_law_that_is_not_finite_is_kept_by_no_sample() -> None:
    for wanted in (torch.inf, -torch.inf, torch.nan):
        worst = two_stage(
            lambda n, g: torch.randn(n, 1, generator=g), torch.full((1,), wanted), 100, stream(0, "infinite")
        )
        assert refused(worst)
