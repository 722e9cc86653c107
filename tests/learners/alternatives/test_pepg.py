"""PEPG: with deviations that stay it is the gradient by mirrored pairs; else it finds how far to look."""

from typing import Any

import pytest
import torch

from analog import Chip, Ideal, dense, stream
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    SquaredError,
    WeightPerturbation,
    antithetic,
    fit,
    gaussian,
    sgd,
)
from learners.alternatives import PEPG
from tests.learners.alternatives.rule import F64, TINY, labeled, told


def test_with_deviations_that_stay_it_is_weight_perturbation_by_gaussian_pairs() -> None:
    chip = Chip(Ideal(), (dense(6, 5), dense(5, 3, linear=True)), range(2), dtype=F64)
    ours = PEPG(sgd(TINY), CrossEntropy(), 0.03, 7, sigma_rate=0.0)
    estimator = WeightPerturbation(0.03, 7, gaussian, antithetic)
    theirs = Descent(estimator, sgd(TINY), CrossEntropy(), delta_rule=False)
    for one, other in zip(
        told(ours, chip, labeled(chip))[0], told(theirs, chip, labeled(chip))[0], strict=True
    ):
        torch.testing.assert_close(one, other)


def test_deviations_fall_where_the_loss_is_curved_and_stay_elsewhere() -> None:
    """Of two inputs one is always 0, so that nothing happens along its knobs but chance."""
    chip = Chip(Ideal(), (dense(2, 1, bias=False, linear=True),), range(8), dtype=F64)
    x = torch.tensor([[1.0, 0.0]] * 4, dtype=F64)
    target = chip.port().measure(x).out
    batches = [Batch(x, target)] * 200
    learner = PEPG(sgd(TINY), SquaredError(), 0.1, 16, sigma_rate=0.02)
    *_, (state, _) = fit(learner, chip.port(), batches, stream(0, "pepg"))
    curved, flat = state.sigma[0].mean(0).flatten().tolist()
    assert curved < 0.05 < 0.07 < flat < 0.14


@pytest.mark.parametrize(
    "settings", [{"size": 0.0}, {"pairs": 0}, {"pairs": True}, {"sigma_rate": -1.0}], ids=str
)
def test_settings_out_of_their_ranges_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"PEPG: {next(iter(settings))} is .*, wanted"):
        PEPG(sgd(0.1), CrossEntropy(), **settings)
