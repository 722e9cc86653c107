"""Local targets on chips: both learners get the same reads, and one learner is the other's limit."""

from typing import get_args

import pytest
import torch

from analog import Ideal
from learners.data import load_data
from studies.local_learning.local_targets import (
    CANDIDATES,
    Args,
    Hyperparameters,
    Method,
    Trial,
    choose_hyperparameters,
    run,
    table,
    train,
)

ARGS = Args(devices=(Ideal(),), sizes=(8, 3), chips=2, budget=1_500, batch=16)


@pytest.mark.parametrize("method", get_args(Method))
def test_reads_stay_within_the_budget(method: Method) -> None:
    """Every layer is charged alike, and less than one more step would be left."""
    each = 16 * (1 + 4 + (3 if method == "LocoProp" else 0))
    *_, (done, losses, ledger) = train(
        Trial(ARGS, Ideal(), method), CANDIDATES[method][0], load_data("digits"), 0
    )
    assert done == 1.0 and losses.shape == (2,)
    assert len(set(ledger.reads)) == 1 and 1_500 - each < ledger.reads[0] <= 1_500


def test_either_method_has_as_many_candidates() -> None:
    assert len(CANDIDATES["LocoProp"]) == len(CANDIDATES["node perturbation"])


def test_one_inner_step_is_plain_node_perturbation() -> None:
    """Adam does not mind the factor gamma, so the same chips end with the same losses."""
    args = Args(devices=(Ideal(),), sizes=(8, 3), chips=2, budget=1_500, batch=16, steps=1)
    ends = []
    both: list[tuple[Method, float | None]] = [("node perturbation", None), ("LocoProp", 0.5)]
    for method, gamma in both:
        hyperparameters = Hyperparameters(1e-2, None, gamma)
        *_, (_, losses, _) = train(Trial(args, Ideal(), method), hyperparameters, load_data("digits"), 0)
        ends.append(losses)
    torch.testing.assert_close(*ends, rtol=1e-3, atol=1e-3)


def test_the_table_counts_chips_that_are_ahead() -> None:
    common = {
        "device": "m:Ideal",
        "floor": 10.0,
        "learning_rate": 0.01,
        "write_threshold": None,
        "reads": 100,
    }
    common |= {"pulses_per_cell": 1.0, "what": "curve"}
    rows = [
        {**common, "method": "node perturbation", "gamma": None, "loss": [12.0, 13.0]},
        {**common, "method": "LocoProp", "gamma": 0.1, "loss": [11.0, 13.5]},
    ]
    plain, loco = table(rows)
    assert plain["excess nats"] == "2.500 +- 6.353" and plain["ahead"] == ""  # t(0.975, 1) = 12.706
    assert loco["ahead"] == "0.250 +- 9.530" and loco["chips ahead"] == "1"


def test_no_answer_is_below_the_floor() -> None:
    *_, last = run(Trial(ARGS, Ideal(), "LocoProp"))
    assert min(last["loss"]) > last["floor"] > 0


def test_hyperparameters_that_are_asked_for_are_taken() -> None:
    args = Args(learning_rate=0.02, gamma=0.3, write_threshold=0.1)
    assert choose_hyperparameters(Trial(args, Ideal(), "LocoProp")) == Hyperparameters(0.02, 0.1, 0.3)
    assert choose_hyperparameters(Trial(args, Ideal(), "node perturbation")) == Hyperparameters(0.02, 0.1)
