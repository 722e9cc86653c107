from collections.abc import Callable

import pytest
import torch

from analog import BadInput
from analog import Chip
from analog import Ideal
from analog import Ledger
from analog import Mismatched
from analog import Port
from analog import Probe
from analog import Tape
from analog import conv2d
from analog import dense
from analog import metered
from analog import replayed
from analog import taped
from analog.devices import SoftBoundsRRAM
from analog.wires import ReplayMismatch

LAYERS = (dense(6, 4), dense(4, 3, linear=True))
X = torch.ones(5, 6)


def test_the_ledger_counts_what_was_driven() -> None:
    chip = Chip(Mismatched(), LAYERS, range(2))
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)
    port.measure(X)
    port.measure(X, Probe(nodes=(torch.zeros(3, 2, 5, 4), None)))
    port.measure(torch.ones(5, 4), first=1)
    assert ledger.reads == [5 + 15, 5 + 15 + 5]
    drive = chip.spec.zeros()
    drive[0][1, 0, 2, 3] = 0.1
    port.pulse(drive)
    port.pulse(drive)
    assert float(ledger.pulses[0].sum()) == 2 and float(ledger.pulses[0][1, 0, 2, 3]) == 2
    assert float(ledger.pulses[1].sum()) == 0
    assert ledger.pulses_per_cell.tolist() == pytest.approx([0, 2 / (28 + 15)])
    costs = chip.spec.costs
    read = costs.read_joules * (20 * 28 + 25 * 15)
    assert ledger.joules.tolist() == pytest.approx([read, read + 2 * costs.pulse_joules])
    assert ledger.seconds == pytest.approx(chip.clock)  # the ledger's time is the chip's


def test_pulses_of_a_granular_device_are_counted_in_steps() -> None:
    chip = Chip(SoftBoundsRRAM(), LAYERS)
    ledger = Ledger(chip.spec)
    drive = chip.spec.zeros()
    drive[0][0, 1, 1] = -0.01  # five steps of 0.002
    metered(chip.port(), ledger).pulse(drive)
    assert float(ledger.pulses[0][0, 1, 1]) == pytest.approx(5)
    assert ledger.seconds == pytest.approx(5 * chip.spec.costs.pulse_seconds)
    assert ledger.seconds == pytest.approx(chip.clock)


def test_a_layer_used_at_many_sites_costs_as_many_readings_of_energy() -> None:
    chip = Chip(Ideal(), (conv2d((1, 4, 4), 2, 2, stride=2),))
    ledger = Ledger(chip.spec)
    metered(chip.port(), ledger).measure(torch.ones(3, 16))
    assert float(ledger.joules) == pytest.approx(chip.spec.costs.read_joules * 3 * 4 * 2 * 5)


def test_what_was_refused_is_not_booked() -> None:
    chip = Chip(Ideal(), LAYERS)
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)
    for send in (lambda: port.measure(X[:, :2]), lambda: port.pulse(()), lambda: port.program(())):
        with pytest.raises(BadInput):
            send()
    assert ledger.reads == [0, 0] and ledger.seconds == 0 and float(ledger.joules) == 0


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


def test_a_ledger_belongs_to_one_datasheet() -> None:
    lone, fleet = Chip(Ideal(), LAYERS), Chip(Ideal(), LAYERS, range(2))
    with pytest.raises(ValueError, match="another datasheet"):
        metered(lone.port(), Ledger(fleet.spec))


def test_lists_and_graphs_are_recorded_as_what_they_are() -> None:
    port = Chip(Ideal(), LAYERS).port()
    tape = Tape(port.spec)
    for wire in (taped(port, tape), replayed(tape)):
        wire.measure(X, Probe(nodes=[torch.zeros(1, 5, 4), None]))  # type: ignore[arg-type]
        wire.pulse(tuple(torch.full(s, 0.1, requires_grad=True) * 2 for s in port.spec.shapes))
