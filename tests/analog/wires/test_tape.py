"""A tape answers as the chip did, and tells where a replay leaves it."""

from collections.abc import Callable

import pytest
import torch

from analog import Chip, Ideal, Mismatched, Port, Probe, Tape, dense, replayed, taped
from analog.wires import ReplayMismatch

LAYERS = (dense(6, 4), dense(4, 3, linear=True))
X = torch.ones(5, 6)


def recorded() -> Tape:
    port = Chip(Mismatched(), LAYERS).port()
    tape = Tape(port.spec)
    session(port := taped(port, tape))
    return tape


def session(port: object, gain: float = 1.0, probe: Probe = Probe()) -> torch.Tensor:
    port.program(tuple(torch.full(s, 0.1) for s in port.spec.shapes))  # type: ignore[attr-defined]
    out: torch.Tensor = port.measure(X, probe).out  # type: ignore[attr-defined]
    port.pulse(tuple(torch.full(s, 0.1) * gain for s in port.spec.shapes))  # type: ignore[attr-defined]
    return out


def test_a_tape_answers_as_the_chip_did() -> None:
    tape = recorded()
    wanted = tape.events[1][2]
    assert wanted is not None and torch.equal(session(replayed(tape)), wanted.out)
    assert torch.equal(session(replayed(tape)), wanted.out)  # and again, whoever edited what it gave


@pytest.mark.parametrize(
    ("play", "says"),
    [
        (lambda p: session(p, gain=1.0000001), "event 2, 'pulse': what was sent differs"),
        (lambda p: session(p, probe=Probe(nodes=(torch.zeros(1, 5, 4), None))), "event 1, 'measure'"),
        (lambda p: p.measure(X), "event 0 is 'measure', the recording has 'program'"),
        (lambda p: (session(p), p.measure(X)), "event 3 is 'measure', the recording has 'nothing'"),
    ],
    ids=["other pulse", "other probe", "other wire", "too long"],
)
def test_off_the_tape_is_an_error(play: Callable[[Port], object], says: str) -> None:
    with pytest.raises(ReplayMismatch, match=says):
        play(replayed(recorded()))


def test_editing_a_replayed_reading_does_not_edit_the_tape() -> None:
    tape = recorded()
    kept = tape.events[1][2]
    assert kept is not None
    before = kept.out.clone()
    session(replayed(tape)).fill_(9.0)
    assert torch.equal(before, kept.out)


def test_lists_and_graphs_are_recorded_as_what_they_are() -> None:
    port = Chip(Ideal(), LAYERS).port()
    tape = Tape(port.spec)
    for wire in (taped(port, tape), replayed(tape)):
        wire.measure(X, Probe(nodes=[torch.zeros(1, 5, 4), None]))  # type: ignore[arg-type]
        wire.pulse(tuple(torch.full(s, 0.1, requires_grad=True) * 2 for s in port.spec.shapes))
