"""How a drive hangs on a hyper-parameter is compared with differences, entry by entry."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from analog import ContractError
from learners import Hyperparameter, update_rule
from learners.check.sensitivities import check_rule
from learners.check.update_trial import made_up_gradients
from learners.updates.record import Rule
from tests.learners.check.test_update import nothing

GRADIENTS = made_up_gradients(6, 3, torch.float64)


def cubic(told: float, value: float) -> Rule:
    """A drive that grows with the third power of its rate, and says by how much."""
    rule = update_rule(
        "cubic",
        nothing,
        lambda g, s, rate: (tuple(-(rate**3) * x for x in g), s),
        {"rate": Hyperparameter.fraction(value)},
        derivatives=lambda taken, rate: {"rate": tuple(-told * rate**2 * g for g in taken.gradient)},
    ).rule
    assert rule is not None
    return rule


def test_sensitivities_are_compared_by_steps_that_fit_the_size_of_their_number() -> None:
    for value in (1e-3, 0.5):
        check_rule(cubic(3.0, value), GRADIENTS, "u")
    for told, times in ((6.0, "2"), (3.001, "1")):
        law = f"layer 0: .* of the drive to rate is {times} times that of central differences; off"
        with pytest.raises(ContractError, match=law):
            check_rule(cubic(told, 0.5), GRADIENTS, "u")


def one_entry_wrong(taken: Any, rate: Any) -> Any:
    right = tuple(-3 * rate**2 * g for g in taken.gradient)
    right[1][..., -1, -1] *= 1.1
    return {"rate": right}


def test_one_sensitivity_that_is_wrong_is_enough() -> None:
    rule = cubic(3.0, 0.5)
    with pytest.raises(ContractError, match="layer 1: the sensitivity"):
        check_rule(replace(rule, derivatives=one_entry_wrong), GRADIENTS, "u")
