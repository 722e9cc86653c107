"""Each law of updates is broken by one fault, beside updates that keep it."""

from typing import Any

import pytest
import torch

from analog import ContractError
from learners import Update, adam, check_update, momentum, sgd
from learners.check.update import update_laws
from learners.check.update_trial import _STEPS, UpdateTrial, made_up_gradients
from tests.learners.check.test_update import clipped, downhill, nothing

F64 = torch.float64
SGD = Update(nothing, lambda g, s: (tuple(-0.1 * x for x in g), s))
MOMENTUM = momentum(0.1)


def trial(step: Any = None, *, init: Any = nothing, dtype: torch.dtype = F64) -> UpdateTrial:
    return UpdateTrial(SGD if step is None else Update(init, step), 3, dtype)


def growing(until: int) -> Any:
    """A state that has one more entry after every step, up to a number of steps."""
    return lambda g, s: (downhill(g), (*s, 0.0) if len(s) < until else s)


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_what_keeps_each_law_passes_it_alone(dtype: torch.dtype) -> None:
    for update in (SGD, MOMENTUM):
        held = UpdateTrial(update, 3, dtype)
        states, drives = held.taken
        for law in update_laws():
            law.check(update)
        assert len(states) == _STEPS + 1 and len(drives) == len(held.gradients) == _STEPS
        assert torch.equal(drives[0][1], -0.1 * held.gradients[0][1])
        assert all(g.dtype == dtype for g in held.first) and not any(bool(z.any()) for z in held.zeros)


def test_made_up_gradients_are_those_of_two_layers_of_a_fleet() -> None:
    first, second = made_up_gradients(2, 4, torch.float32)
    assert [g.shape for g in first] == [(4, 1, 4, 3), (4, 2, 2, 5)]
    assert not torch.equal(first[0], second[0]) and first[1].dtype == torch.float32
    assert all(
        torch.equal(a, b) for a, b in zip(first, made_up_gradients(1, 4, torch.float32)[0], strict=True)
    )


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda g, s: (downhill(g), s, 1), "step gave tuple, wanted a drive and the next state"),
        (lambda g, s: [downhill(g), s], "step gave list, wanted a drive and the next state"),
        (lambda g, s: (list(downhill(g)), s), "step gave a drive list, wanted a tuple of 2 tensors"),
        (lambda g, s: (downhill(g)[:1], s), "step gave a drive tuple, wanted a tuple of 2 tensors"),
        (lambda g, s: ((-g[0], 3.0), s), r"layer 1: the drive is float, wanted torch.float64 \(3, 2, 2, 5\)"),
        (lambda g, s: ((-g[0], -g[0]), s), "layer 1: the drive is torch.float64"),
        (lambda g, s: ((-g[0].float(), -g[1]), s), "layer 0: the drive is torch.float32"),
        (lambda g, s: ((-g[0], -g[1] / 0), s), "a drive is not finite somewhere"),
    ],
    ids=range(8),
)
def test_a_drive_of_another_form_is_named(step: Any, says: str) -> None:
    held = trial(step)
    with pytest.raises(ContractError, match=says):
        held._run(held.gradients, " somewhere")


@pytest.mark.parametrize(
    ("early", "late", "says"),
    [
        ((torch.ones(1), 2, 3.0), (torch.zeros(1), 4, 5.0), None),
        (({"v": 1},), ({"v": 1},), "state.0 is a dict"),
        ((torch.tensor([1.0, torch.nan]),), (torch.ones(2),), "a state is not finite"),
        ((torch.ones(1),), (torch.ones(2),), r"changes in structure .* at \['0'\]"),
        ((torch.ones(1),), (torch.ones(1).double(),), "changes in structure"),
        ((1.0,), (1,), "changes in structure"),
        ((1.0,), (1.0, 2.0), r"changes in structure .* at \['1'\]"),
        ((1.0, 2.0), (1.0,), r"changes in structure .* at \['1'\]"),
    ],
    ids=range(8),
)
def test_a_state_that_no_file_can_keep_is_named(early: Any, late: Any, says: str | None) -> None:
    states = [(), (1,), (1, 2), (), early, late]  # anything until it is filled
    held = trial()
    held.taken = (states, [])
    if says is None:
        return held.check_states()
    with pytest.raises(ContractError, match=says):
        held.check_states()


def remembered(gradient: Any, state: Any) -> Any:
    """Counts its steps on a tensor, where no file finds the count."""
    count = getattr(state[0], "count", 1)
    after = state[0].clone()
    after.count = count + 1
    return tuple(-x / count for x in gradient), (after,)


def test_what_does_not_go_through_a_file_is_named() -> None:
    held = trial(remembered, init=lambda k: (torch.zeros(()),))
    with pytest.raises(ContractError, match="a training that goes on from its file is another one"):
        held.check_files()


def test_what_a_file_loses_is_named_in_a_whole_check_too() -> None:
    with pytest.raises(ContractError, match="a training that goes on from its file is another one"):
        check_update(Update(lambda k: (torch.zeros(()),), remembered))


def by_runs() -> Any:
    """Remembers in a closure how many steps it has taken, and changes after six of them."""
    calls = iter(range(10**6))
    return lambda g, s: (tuple(-x * (1 if next(calls) < 4 * _STEPS else 2) for x in g), s)


def state_by_runs() -> Any:
    calls = iter(range(10**6))
    return lambda g, s: (downhill(g), (float(next(calls) >= 2 * _STEPS),))


@pytest.mark.parametrize("step", [by_runs(), state_by_runs()], ids=["drive", "state"])
def test_two_runs_that_differ_are_named(step: Any) -> None:
    with pytest.raises(ContractError, match="two runs by turns of one update differ"):
        trial(step, init=lambda k: (0.0,)).check_drives()


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda g, s: (tuple(-x * (1 + x.abs().amax().clamp(max=9.0)) for x in g), s), "of other chips"),
        (lambda g, s: (clipped(g, 300.0), s), "of other chips"),
        (lambda g, s: (downhill(g), {}), "state is a dict"),
        (lambda g, s: (tuple(-x / (x.abs() > 1e9) for x in g), s), "not finite$"),
        (lambda g, s: (tuple(-x.sign() * x.abs() ** 5 for x in g), s), r"not finite where .* 1e\+15 times"),
        (
            lambda g, s: (tuple(-x * len(x) for x in g), s),
            "a chip is sent the same in a fleet of another size",
        ),
        (
            lambda g, s: (tuple(-x * (1 + (x.ndim == 3)) for x in g), s),
            "a chip is sent the same alone, without a fleet's axis",
        ),
        (
            lambda g, s: (tuple(-x.double() if x.ndim == 3 else -x for x in g), s),
            "the drive is torch.float64 .*wanted torch.float32",
        ),
    ],
    ids=range(8),
)
def test_a_fault_that_shows_in_a_whole_check_is_named(step: Any, says: str) -> None:
    with pytest.raises(ContractError, match=says):
        check_update(Update(nothing, step))


def test_the_first_chip_is_sent_alone_what_it_was_sent_in_its_fleet() -> None:
    sent: list[Any] = []
    held = trial(lambda g, s: (sent.append(g), (downhill(g), s))[1])
    assert len(held.taken) == 2
    sent.clear()
    held.check_other_fleets()
    pairs, alone = sent[: 2 * _STEPS], sent[2 * _STEPS :]
    assert torch.equal(pairs[0][0], held.first[0][:2]) and torch.equal(alone[0][0], held.first[0][0])
    assert len(pairs) == len(alone) == 2 * _STEPS


@pytest.mark.parametrize(
    ("update", "has"),
    [
        (SGD, False),
        (sgd(0.1), False),
        (sgd(torch.tensor(0.1)), False),
        (sgd(torch.tensor([0.1, 0.2, 0.3])), True),
        (adam(torch.tensor([0.1, 0.2, 0.3])), True),
    ],
)
def test_numbers_of_chips_are_told_from_those_of_all(update: Update, has: bool) -> None:
    assert UpdateTrial(update, 3, F64)._has_numbers_of_chips() is has


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (lambda g, s: (tuple(0 * x for x in g), s), None),
        (growing(4), None),
        (growing(5), "the state changes in structure at step 5"),
        (lambda g, s: ((-g[0], 1e-9 * g[1]), s), "layer 1: the drives of 200 steps sum up to a way up"),
        (lambda g, s: (tuple(-x * (x.abs() > 0.5) + 0.1 * x for x in g), s), "layer 0: .* a way up"),
        (
            lambda g, s: (tuple(-x * torch.tensor([1.0, -1e-3, 1.0])[:, None, None, None] for x in g), s),
            "way up",
        ),
        (
            lambda g, s: (tuple(-x for x in g), (s[0] / 0.5,)),
            "drive or state is not finite at step 128",
        ),
    ],
    ids=range(7),
)
def test_a_way_up_is_named_however_short_it_is(step: Any, says: str | None) -> None:
    first = () if step.__qualname__.startswith("growing") else (torch.ones(()),)
    held = trial(step, init=lambda k: first, dtype=torch.float32)
    if says is None:
        return held.check_descent()
    with pytest.raises(ContractError, match=says):
        held.check_descent()
