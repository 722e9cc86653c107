"""Pieces of a chip behave as the chip does: same readings, same cells, same refusals."""

from typing import Any

import pytest
import torch

from analog import BadInput
from analog import Chip
from analog import Ideal
from analog import Mismatched
from analog import Probe
from analog import dense
from analog import grouped
from analog import stream
from analog import xray
from learners.wiring.parts import HeldBack
from learners.wiring.parts import Readout
from learners.wiring.parts import joined
from learners.wiring.parts import piece
from learners.wiring.parts import through

F64 = torch.float64
LAYERS = (dense(4, 6), grouped(6, 4, 2), dense(4, 3, linear=True))
X = torch.randn(5, 4, generator=stream(0, "x"), dtype=F64)
KINDS = pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])


def made(identity: Any = 1) -> Chip[Any]:
    return Chip(Mismatched(), LAYERS, identity, dtype=F64)


def probe(chip: Chip[Any], where: str) -> Probe:
    generator = stream(0, "probe")
    fleet = chip.spec.fleet
    if where == "knobs":
        return Probe(tuple(torch.randn(3, *s, generator=generator, dtype=F64) for s in chip.spec.shapes))
    sizes = [(3, *fleet, 5, layer.features) for layer in LAYERS]
    made = [torch.randn(s, generator=generator, dtype=F64) for s in sizes]
    return Probe(nodes=tuple(None if where == str(i) else m for i, m in enumerate(made)))


@KINDS
@pytest.mark.parametrize("where", ["knobs", "0", "1", "2"])
@pytest.mark.parametrize("cut", [1, 2])
def test_two_pieces_joined_are_the_chip(identity: Any, where: str, cut: int) -> None:
    """Same readings to the bit, under any probe, for a silent chip made of two of its pieces."""
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    port = chip.port()
    whole = joined(piece(port, 0, cut - 1), piece(port, cut, 2))
    sent = probe(chip, where)
    for a, b in zip(port.measure(X, sent).taps, whole.measure(X, sent).taps, strict=True):
        assert torch.equal(a, b)
    inner = port.measure(X).taps[0]
    for a, b in zip(
        port.measure(inner, first=1, last=2).taps, whole.measure(inner, first=1).taps, strict=True
    ):
        assert torch.equal(a, b)


@KINDS
def test_pulses_of_pieces_are_sent_as_one(identity: Any) -> None:
    whole, parts = made(identity), made(identity)
    drive = tuple(0.01 * torch.ones_like(z) for z in whole.spec.zeros())
    whole.port().pulse(drive)
    held = HeldBack(parts.port())
    piece(parts.port(), 1, 2, held).pulse(drive[1:])
    piece(parts.port(), 0, 0, held).pulse(drive[:1])
    assert parts.clock == 0.0
    held.send()
    assert parts.clock == whole.clock
    assert all(torch.equal(a, b) for a, b in zip(xray.knobs(whole), xray.knobs(parts), strict=True))


def test_a_piece_alone_pulses_nothing_else() -> None:
    chip = made()
    before = xray.knobs(chip)
    piece(chip.port(), 1, 1).pulse((0.1 * torch.ones_like(before[1]),))
    after = xray.knobs(chip)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True]


@KINDS
def test_a_readout_is_a_silent_chip_without_neurons(identity: Any) -> None:
    layer = grouped(4, 6, 2, linear=True)
    chip = Chip(Ideal(), (layer,), identity, dtype=F64)
    start = tuple(torch.randn(s, generator=stream(0, "k"), dtype=F64) for s in chip.spec.shapes)
    readout = Readout(chip.spec, layer)
    for port in (chip.port(), readout.port()):
        port.program(start)
        port.pulse(start)
    generator = stream(0, "probe")
    knobs = torch.randn(3, *chip.spec.shapes[0], generator=generator, dtype=F64)
    nodes = torch.randn(3, *chip.spec.fleet, 5, 6, generator=generator, dtype=F64)
    for sent in (Probe(), Probe(knobs=(knobs,)), Probe(nodes=(nodes,)), Probe((knobs,), (nodes,))):
        expected, got = chip.port().measure(X, sent).out, readout.port().measure(X, sent).out
        torch.testing.assert_close(got, expected)


def test_misuse_is_refused() -> None:
    chip = made()
    with pytest.raises(BadInput, match="piece of a chip"):
        piece(chip.port(), 0, 1).program(chip.spec.span(0, 1).zeros())
    with pytest.raises(BadInput, match="must be alike"):
        joined(chip.port(), made([1]).port())
    with pytest.raises(BadInput, match="3 outputs"):
        joined(chip.port(), chip.port())
    with pytest.raises(BadInput, match="must not be above|0..2"):
        piece(chip.port(), 1, 3)


@KINDS
@pytest.mark.parametrize("where", ["knobs", "0", "1", "2"])
def test_wiring_through_which_all_goes_as_it_is_changes_nothing(identity: Any, where: str) -> None:
    """And wiring that does something stands between what the layers show, probes or none."""
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    port, sent = chip.port(), probe(chip, where)
    plain = port.measure(X, sent).taps
    for a, b in zip(through(port, lambda tap: tap).measure(X, sent).taps, plain, strict=True):
        assert torch.equal(a, b)
    wired = through(port, lambda tap: -2 * tap)
    first, second, third = wired.measure(X, sent).taps
    assert torch.equal(first, plain[0])
    own = sent.nodes[1:] if sent.nodes else None
    rest = wired.measure(-2 * first, Probe(sent.knobs and sent.knobs[1:], own), first=1).taps
    assert torch.equal(rest[0], second) and torch.equal(rest[1], third)
    with pytest.raises(BadInput, match="runs backwards"):
        wired.measure(X, first=2, last=1)
