"""Inputs of any kind at the wires: documented errors alone, and what was rejected changed nothing.

`python -m tests.analog.test_port_fuzz 4000` tries as many as one likes.
"""

import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from analog import (
    BadReading,
    Budget,
    Chip,
    Ledger,
    Mismatched,
    Port,
    Probe,
    Tape,
    budgeted,
    checked,
    dense,
    metered,
    taped,
)
from analog.devices import PCM, SoftBoundsRRAM
from analog.effects import Endurance
from analog.rejection import Rejected
from analog.tree import tree_leaves
from tests.analog.test_port import ODD

LAYERS = (dense(6, 4), dense(4, 3, linear=True))
DEVICES = [Mismatched(), SoftBoundsRRAM(), PCM(), Endurance(Mismatched(), pulses=1e6)]
IDENTITIES: list[Any] = [3, (3, 4)]
VALUES = [0.0, -0.0, 0.1, 1.0, -2.5, 1e-42, 1e30, 3e38, -3e38, float("nan"), float("inf"), -float("inf")]
OBJECTS: list[Any] = [None, 3, "x", [], (), {}, [[1.0]], object(), Tensor, float("nan"), b"0", range(2)]
SPANS: list[Any] = [0, 1, 2, -1, None, True, 0.0, "0", 10**30]


class Bench:
    """A chip, its wires behind wrappers, and all that a rejected request must leave as it is."""

    def __init__(self, lots: random.Random) -> None:
        self.chip = Chip(lots.choice(DEVICES), LAYERS, lots.choice(IDENTITIES))
        self.ledger, self.tape = Ledger(self.chip.spec), Tape(self.chip.spec)
        port, budget = self.chip.port(), Budget(reads=20, joules=5e-8)
        wrapped: list[Callable[[], Port]] = [
            lambda: port,
            lambda: checked(port),
            lambda: metered(port, self.ledger),
            lambda: taped(port, self.tape),
            lambda: budgeted(port, self.ledger, budget),
            lambda: taped(metered(port, self.ledger), self.tape),
            lambda: taped(budgeted(checked(port), self.ledger, budget), self.tape),
        ]
        self.port = lots.choice(wrapped)()

    def state(self) -> list[Any]:
        cells = [leaf.clone() for leaf in tree_leaves(self.chip._cells).values()]
        generators = [generator.get_state() for generator in self.chip._generators]
        booked = [total.clone() for total in self.ledger.pulses]
        counted = torch.tensor(
            [self.chip.clock, self.ledger.seconds, *self.ledger.reads, len(self.tape.events)]
        )
        return [*cells, *generators, *booked, counted]


def tensor(lots: random.Random, *shape: int) -> Any:
    """Mostly a tensor of about this shape, dtype and kind."""
    axes = list(shape)
    if lots.random() < 0.04:
        axes[lots.randrange(len(axes))] += lots.choice([-1, 1, 5])
    if lots.random() < 0.03:
        axes.insert(0, lots.choice([0, 1, 2, 3]))
    if lots.random() < 0.02:
        axes = axes[1:]
    made = torch.full([max(0, n) for n in axes], lots.choice([0.1, 1.0, -2.5] * 10 + [3e38]))
    if made.numel() and lots.random() < 0.15:
        made.view(-1)[lots.randrange(made.numel())] = lots.choice(VALUES)
    if lots.random() < 0.03:
        made = made.to(lots.choice([torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.bool]))
    if lots.random() < 0.05:
        made = made.expand(lots.choice([1, 1, 2]), *made.shape).mT.mT if made.ndim > 1 else made
    if lots.random() < 0.06:
        try:
            return lots.choice(list(ODD.values()))(made)
        except (RuntimeError, TypeError, ValueError, IndexError):
            return made
    return made if lots.random() < 0.98 else lots.choice(OBJECTS)


def several(lots: random.Random, entries: list[Any]) -> Any:
    """Entries in a tuple, mostly."""
    if lots.random() < 0.04:
        entries = entries[: lots.randrange(3)] or [*entries, None]
    kind = lots.random()
    return (
        tuple(entries)
        if kind < 0.8
        else entries
        if kind < 0.95
        else lots.choice([*OBJECTS, dict(enumerate(entries))])
    )


def request(lots: random.Random, spec: Any) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
    wire = lots.choice(["measure", "measure", "program", "pulse"])
    if wire != "measure":
        return wire, (several(lots, [tensor(lots, *shape) for shape in spec.shapes]),), {}
    lead = lots.choice([(), (), (1,), (3,), (2, 2)])
    axes = (*lead, *spec.fleet)
    probe: Any = Probe()
    if lots.random() < 0.6:
        knobs = several(lots, [tensor(lots, *lead, *shape) for shape in spec.shapes])
        nodes = several(lots, [tensor(lots, *axes, 5, n) for n in (4, 3)])
        probe = Probe(lots.choice([None, knobs]), lots.choice([None, nodes]))
    if lots.random() < 0.02:
        probe = lots.choice(OBJECTS)
    x = tensor(lots, *lots.choice([(), (), axes]), 5, 6)
    span = {name: lots.choice(SPANS) for name in ("first", "last") if lots.random() < 0.08}
    return wire, (x, probe), span


def fuzz(count: int, seed: int) -> Counter[str]:
    """Send so many requests, a few to each chip; what came of them, by name."""
    lots, outcomes = random.Random(seed), Counter[str]()
    bench = Bench(lots)
    for number in range(count):
        if number % 8 == 0:
            bench = Bench(lots)
        wire, sent, span = request(lots, bench.chip.spec)
        before = bench.state()
        error: Rejected | BadReading | None = None
        reading = None
        try:
            reading = getattr(bench.port, wire)(*sent, **span)
        except (Rejected, BadReading) as raised:
            error = raised
        where = (seed, number, wire, str(error))
        after = bench.state()
        assert "\n" not in str(error), where
        if isinstance(error, Rejected):
            assert all(map(torch.equal, before, after)), where
        elif error is not None:
            assert after[-1][0] > before[-1][0], where  # the measurement was made
        shown = () if reading is None else reading.taps
        cells = tree_leaves(bench.chip._cells).values()
        assert all(bool(torch.isfinite(t).all()) for t in (*shown, *cells)), where
        outcomes["accepted" if error is None else type(error).__name__] += 1
    return outcomes


@pytest.mark.filterwarnings("ignore")  # torch calls some of its tensors prototypes
def test_whatever_is_sent_gives_a_documented_error_and_a_rejected_request_changes_nothing() -> None:
    outcomes = fuzz(400, seed=1)
    assert min(outcomes[kind] for kind in ("accepted", "BadInput", "BadReading", "OverBudget")) > 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(dict(fuzz(int(sys.argv[1]), seed=int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
