"""Learners at equal reads: budgets read off a curve, and what a row says of its learner."""

from typing import Any

import pytest
import torch

from analog import Chip, Mismatched, mlp, xray
from learners.data import load_data
from studies.kit.recipes.equal_reads import TooDear, accuracy_within, train_within_reads

DATA = load_data("digits")
CURVE: list[dict[str, Any]] = [
    {"joules": 0.0, "accuracy": [0.1, 0.2]},
    {"joules": 2.0, "accuracy": [0.5, 0.4]},
    {"joules": 3.0, "accuracy": [0.9, 0.3]},
]


def chips() -> Chip:
    return Chip(Mismatched(), mlp(DATA.features, 4, DATA.classes), range(2))


@pytest.mark.parametrize(
    ("limit", "wanted"),
    [(0.0, [0.1, 0.2]), (1.0, [0.3, 0.3]), (2.0, [0.5, 0.4]), (2.5, [0.7, 0.35]), (9.0, [0.9, 0.3])],
)
def test_accuracy_within_a_budget_is_read_off_the_curve_by_straight_lines(
    limit: float, wanted: list[float]
) -> None:
    assert accuracy_within(CURVE, "joules", limit) == pytest.approx(wanted)


def test_what_is_not_used_up_is_judged_by_its_end() -> None:
    flat = [{**row, "joules": 0.0} for row in CURVE]
    assert accuracy_within(flat, "joules", 1.0) == [0.9, 0.3] == accuracy_within(flat, "joules", 0.0)


@pytest.mark.parametrize(
    ("method", "threshold", "update", "delta_rule"),
    [
        ("node perturbation", None, "Adam, annealed", True),
        ("weight perturbation", 0.1, "Adam, annealed, owed up to 0.1", False),
        ("weight perturbation + delta rule", None, "Adam, annealed", True),
    ],
)
def test_a_row_says_which_update_was_used(
    method: str, threshold: float | None, update: str, delta_rule: bool
) -> None:
    *_, end = train_within_reads(method, chips(), DATA, reads=1_000, write_threshold=threshold)
    assert (end["update"], end["delta_rule"]) == (update, delta_rule)


def test_a_write_threshold_is_the_smallest_drive_that_is_sent() -> None:
    taught = chips()
    list(train_within_reads("node perturbation", taught, DATA, reads=1_000, write_threshold=10.0))
    for knobs, fresh in zip(xray.knobs(taught), xray.knobs(chips()), strict=True):
        assert torch.equal(knobs, fresh)


def test_reads_that_pay_for_no_step_are_refused() -> None:
    with pytest.raises(TooDear, match="a step takes about 320 reads, there are 300 in all"):
        list(train_within_reads("node perturbation", chips(), DATA, reads=300))
