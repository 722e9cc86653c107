"""Parts of a chip behave as the chip does: same readings, same cells, same refusals."""

from typing import Any

import pytest
import torch

from analog import BadInput, Chip, Ideal, Mismatched, stream, xray
from learners.wiring import PulseBuffer, stack_ports, sub_port

from .three_layers import F64, LAYERS, probe

X = torch.randn(5, 4, generator=stream(0, "x"), dtype=F64)
KINDS = pytest.mark.parametrize("identity", [1, [1, 2]], ids=["chip", "fleet"])


def chip_of(identity: Any = 1) -> Chip:
    return Chip(Mismatched(), LAYERS, identity, dtype=F64)


@KINDS
@pytest.mark.parametrize("where", ["knobs", "0", "1", "2"])
@pytest.mark.parametrize("cut", [1, 2])
def test_two_sub_ports_stacked_are_the_chip(identity: Any, where: str, cut: int) -> None:
    """Same readings to the bit, under any probe, for a chip without noise made of two of its parts."""
    chip = Chip(Ideal(), LAYERS, identity, dtype=F64)
    port = chip.port()
    whole = stack_ports(sub_port(port, 0, cut - 1), sub_port(port, cut, 2))
    sent = probe(chip, where)
    for a, b in zip(port.measure(X, sent).taps, whole.measure(X, sent).taps, strict=True):
        assert torch.equal(a, b)
    inner = port.measure(X).taps[0]
    for a, b in zip(
        port.measure(inner, first=1, last=2).taps, whole.measure(inner, first=1).taps, strict=True
    ):
        assert torch.equal(a, b)


@KINDS
def test_pulses_of_sub_ports_are_sent_as_one(identity: Any) -> None:
    whole, parts = chip_of(identity), chip_of(identity)
    drive = tuple(0.01 * torch.ones_like(z) for z in whole.spec.zeros())
    whole.port().pulse(drive)
    buffer = PulseBuffer(parts.port())
    sub_port(parts.port(), 1, 2, buffer).pulse(drive[1:])
    sub_port(parts.port(), 0, 0, buffer).pulse(drive[:1])
    assert parts.clock == 0.0
    buffer.send()
    assert parts.clock == whole.clock
    assert all(torch.equal(a, b) for a, b in zip(xray.knobs(whole), xray.knobs(parts), strict=True))


def test_a_sub_port_alone_pulses_nothing_else() -> None:
    chip = chip_of()
    before = xray.knobs(chip)
    sub_port(chip.port(), 1, 1).pulse((0.1 * torch.ones_like(before[1]),))
    after = xray.knobs(chip)
    assert [torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_misuse_is_refused() -> None:
    chip = chip_of()
    with pytest.raises(BadInput, match="part of a chip"):
        sub_port(chip.port(), 0, 1).program(chip.spec.span(0, 1).zeros())
    with pytest.raises(BadInput, match="must be alike"):
        stack_ports(chip.port(), chip_of([1]).port())
    with pytest.raises(BadInput, match="3 outputs"):
        stack_ports(chip.port(), chip.port())
    with pytest.raises(BadInput, match="must not be above|0..2"):
        sub_port(chip.port(), 1, 3)
