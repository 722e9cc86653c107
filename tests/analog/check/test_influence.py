"""Tests of the laws that refuse examples, probes, tiles and chips that influence each other."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from analog import ContractError, Device, Ideal, dense
from analog.check.influence import (
    _some,
    _subsets,
    _worn,
    check_chips_of_fleets,
    check_influence_in_cells,
    check_influence_in_readings,
)
from analog.check.trial import Trial
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import bent
from tests.analog.check.judging import judge, law_tests

test_the_law_alone_refuses_a_faulty_device, test_an_honest_device_keeps_the_law = law_tests(
    check_influence_in_readings,
    check_influence_in_cells,
    check_chips_of_fleets,
)


@pytest.mark.parametrize(("axis", "count"), [("examples", 4), ("chips", 3)])
def test_those_along_an_axis_stand_alone_in_another_order_and_among_more(axis: str, count: int) -> None:
    whole = torch.zeros(3, 2, 4, 5)
    found, everyone = dict(_subsets(axis, whole)), list(range(count))
    assert found["alone"] == [count - 1] and found["in another order"] == everyone[::-1]
    assert found["among more"] == [*everyone, *everyone, count - 1]
    assert found["among many"] == everyone * (75 if axis == "examples" else 5)
    (first, few), (last, many) = _some(count)
    assert (first, last) == (0, count - 1) and 10 < few < many


class Used(NamedTuple):
    """Knobs, how often they were pulsed, how far, and how often to the other side."""

    knobs: Tensor
    pulses: Tensor  # (*fleet,)
    farthest: Tensor
    turns: Tensor
    last: Tensor


def used(ends: Callable[[Used], Tensor | None]) -> Device:
    def born(rows: int, cols: int, birth: Any) -> Used:
        knobs = birth.normal("knobs", rows, cols)
        return Used(knobs, *(torch.zeros_like(knobs[..., 0, 0, 0]) for _ in range(4)))

    def pulse(c: Used, d: Tensor, n: Any) -> Used:
        at = d[..., 0, 0, 0]
        turned = c.turns + (at * c.last < 0)
        return Used(c.knobs + d, c.pulses + (at != 0), torch.maximum(c.farthest, at.abs()), turned, at)

    return bent(Ideal(), fabricate=born, pulse=pulse, worn_out=ends)


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        (lambda c: c.pulses >= 2, [0.0, 1.0, 0.0]),
        (lambda c: c.pulses >= 24, [0.0, 1.0, 0.0]),
        (lambda c: c.farthest >= 1e6, [0.0, 1.0, 0.0]),
        (lambda c: c.turns >= 22, [0.0, 1.0, 0.0]),
        (lambda c: (c.pulses.sum() >= 2).expand(c.pulses.shape), [1.0, 1.0, 1.0]),
        (lambda c: c.pulses < 0, None),
        (lambda c: None, None),
        (lambda c: c.pulses > 0 if not bool(c.pulses.any()) else None, None),
    ],
    ids=range(8),
)
def test_who_is_worn_out_is_told_of_a_fleet_of_which_one_was_used(
    ends: Any, found: list[float] | None
) -> None:
    trial = Trial(used(ends), (dense(3, 2),))
    ended = _worn(trial, trial.bench())
    assert (None if ended is None else ended.tolist()) == found


@pytest.mark.parametrize("noisy", [False, True])
def test_a_pulse_that_is_felt_next_door_if_it_is_large_is_named(noisy: bool) -> None:
    def pulse(c: IdealCells, d: Tensor, n: Any) -> IdealCells:
        felt = bool(d.abs().amax() > 3) and (not noisy or bool(torch.as_tensor(n.normal(d)).any()))
        return IdealCells(c.knobs + d + 0.1 * felt)

    says = f"when pulsed{', with noise' if noisy else ''}, in .* beside others"
    with pytest.raises(ContractError, match=says):
        judge(check_influence_in_cells, bent(Ideal(), pulse=pulse))
