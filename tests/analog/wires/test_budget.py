"""A budget stops a request before the hardware sees it; the chip works on and the ledger stays true."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from analog import (
    BadInput,
    Budget,
    Chip,
    Ideal,
    Ledger,
    Mismatched,
    OverBudget,
    Port,
    Probe,
    budgeted,
    conv2d,
    dense,
    metered,
    stream,
    xray,
)
from analog.devices import SoftBoundsRRAM
from learners import Batch, Descent, NodePerturbation, SquaredError, fit, sgd

LAYERS = (conv2d((1, 3, 3), 2, 2), dense(8, 3), dense(3, 2, linear=True))
X = torch.ones(5, 9)


def standing(ledger: Ledger) -> dict[str, float]:
    return {
        "reads": max(ledger.reads),
        "pulses_per_cell": float(ledger.pulses_per_cell.max()),
        "joules": float(ledger.joules.max()),
        "seconds": ledger.seconds,
    }


def uneven(port: Port, size: float = 0.1) -> tuple[torch.Tensor, ...]:
    """A drive that differs from chip to chip and from cell to cell, with zeros in it."""
    generator = stream(0, "budget")
    drive = (size * torch.randn(s, generator=generator) for s in port.spec.shapes)
    return tuple(d * (torch.rand(d.shape, generator=generator) > 0.3) for d in drive)


REQUESTS: dict[str, Callable[[Port], Any]] = {
    "program": lambda p: p.program(uneven(p, 0.3)),
    "pulse": lambda p: p.pulse(uneven(p)),
    "measure": lambda p: p.measure(X),
    "span": lambda p: p.measure(X[:, :8], first=1, last=1),
    "probe": lambda p: p.measure(X, Probe(nodes=(None, None, torch.zeros(7, *p.spec.fleet, 5, 2)))),
    "probe in x": lambda p: p.measure(X.expand(4, *p.spec.fleet, 5, 9)),
}
BUDGETS = ("reads", "pulses_per_cell", "joules", "seconds")


@given(
    before=st.lists(st.sampled_from(sorted(REQUESTS)), max_size=3),
    request_=st.sampled_from(sorted(REQUESTS)),
    budget=st.sampled_from(BUDGETS),
    fleet=st.booleans(),
    granular=st.booleans(),
)
def test_a_request_costs_beforehand_what_it_costs_afterwards(
    before: list[str], request_: str, budget: str, fleet: bool, granular: bool
) -> None:
    """With a limit of exactly its cost it passes; with a hair less it is refused, and nothing changes."""
    device = SoftBoundsRRAM() if granular else Mismatched()
    chips = [Chip(device, LAYERS, (3, 4) if fleet else 3) for _ in range(2)]
    ledgers = [Ledger(c.spec) for c in chips]
    free = metered(chips[0].port(), ledgers[0])
    for name in (*before, request_):
        start = standing(ledgers[0])[budget]
        REQUESTS[name](free)
    cost = standing(ledgers[0])[budget]
    tight: dict[str, float] = {budget: cost * (1 - 1e-6) if cost > start else cost}
    port = budgeted(chips[1].port(), ledgers[1], Budget(**tight))
    for name in before:
        REQUESTS[name](port)
    (generator,) = chips[1]._generators
    held, clock, noise = xray.knobs(chips[1]), chips[1].clock, generator.get_state()
    if cost > start:
        with pytest.raises(OverBudget, match=f"budget of {budget}: .* the chip was not touched") as error:
            REQUESTS[request_](port)
        assert error.value.budget == budget
        assert all(torch.equal(a, b) for a, b in zip(held, xray.knobs(chips[1]), strict=True))
        assert clock == chips[1].clock == pytest.approx(ledgers[1].seconds)
        assert torch.equal(noise, generator.get_state()) and standing(ledgers[1])[budget] == start
    REQUESTS[request_](budgeted(chips[1].port(), ledgers[1], Budget(**{budget: cost})))
    assert standing(ledgers[1]) == standing(ledgers[0])
    for mine, its in zip(xray.knobs(chips[0]), xray.knobs(chips[1]), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize("budget", BUDGETS)
def test_a_budget_stops_training_and_leaves_a_usable_chip(budget: str) -> None:
    chip = Chip(Mismatched(), LAYERS)
    ledger = Ledger(chip.spec)
    learner = Descent(NodePerturbation(0.1), sgd(0.01), SquaredError(), delta_rule=False)
    lessons = [Batch(X, torch.zeros(5, 2))] * 6
    port = metered(chip.port(), ledger)
    for _ in fit(learner, port, lessons[:2], stream(0, "probes")):
        pass
    spent = standing(ledger)[budget]
    tight: dict[str, float] = {budget: 1.6 * spent}
    learning = fit(learner, budgeted(chip.port(), ledger, Budget(**tight)), lessons, stream(0, "probes"))
    with pytest.raises(OverBudget) as error:
        list(learning)
    assert error.value.budget == budget
    assert spent <= standing(ledger)[budget] <= 1.6 * spent
    assert ledger.seconds == pytest.approx(chip.clock)
    assert chip.alive and torch.isfinite(port.measure(X).out).all()


def test_other_budgets_do_not_stand_in_the_way() -> None:
    """A layer that is driven more than others is the one that counts; what is free stays possible."""
    chip = Chip(replace(Mismatched(), read_noise=0.0), LAYERS)
    port = budgeted(chip.port(), Ledger(chip.spec), Budget(reads=10))
    port.measure(X)
    port.measure(X[:, :8], first=1, last=1)
    port.measure(X[:, :3], first=2)
    port.pulse(uneven(port))
    with pytest.raises(OverBudget, match="budget of reads: 10 used of 10, this request would make it 15"):
        port.measure(X[:, :8], first=1)


def test_what_is_malformed_is_refused_before_it_is_priced() -> None:
    chip = Chip(Ideal(), LAYERS)
    port = budgeted(chip.port(), Ledger(chip.spec), Budget(reads=0, seconds=0))
    for send in (lambda: port.pulse(()), lambda: port.measure(X[0]), lambda: port.measure(X, last=7)):
        with pytest.raises(BadInput):
            send()


def test_limits_are_checked() -> None:
    chip = Chip(Ideal(), LAYERS)
    for limit in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="budgets are finite and at least 0, or None"):
            budgeted(chip.port(), Ledger(chip.spec), Budget(joules=limit))
    with pytest.raises(ValueError, match="another datasheet"):
        budgeted(chip.port(), Ledger(Chip(Ideal(), LAYERS[:1]).spec), Budget(joules=1.0))
