"""A tape of everything that went over the wires of a port, and its playback with no chip present."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..contract import ContractError
from ..port import Port, Probe, Reading, make_port, require_port, rewired
from ..spec import Knobs, Spec
from ..tree import tree_leaves, tree_map


@dataclass(repr=False)
class Tape:
    """A transcript of everything that went over the wires of one port."""

    spec: Spec
    events: list[tuple[str, Any, Reading | None]] = field(default_factory=list)  # wire, sent, came back

    def __repr__(self) -> str:
        return f"Tape({self.spec.sizes}, {len(self.events)} events)"


class ReplayMismatch(ContractError):
    """A learner sent something else than it did when the tape was recorded."""


def taped(port: Port, tape: Tape) -> Port:
    """The same wires, recorded on `tape`.

    Raises:
        TypeError: it is no port.
    """
    require_port(port, "taped")

    def exchange(wire: str, sent: Any, back: Reading | None = None) -> Reading | None:
        tape.events.append((wire, _copy(sent), _copy(back)))
        return back

    def program(knobs: Knobs) -> None:
        port.program(knobs)
        exchange("program", tuple(knobs))

    def pulse(drive: Knobs) -> None:
        port.pulse(drive)
        exchange("pulse", tuple(drive))

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        reading = port.measure(x, probe, first=first, last=last)
        exchange("measure", (x, probe, first, last), reading)
        return reading

    return rewired(port, read, program=program, pulse=pulse)


def replayed(tape: Tape) -> Port:
    """Wires with no chip behind them that answer from the tape.

    Raises:
        ReplayMismatch: from its wires, at the first event that is not bitwise what was recorded; a learner
            that is a function of its measurements never meets it.
    """
    position = iter(enumerate(tape.events))

    def exchange(wire: str, sent: Any) -> Reading | None:
        number, (recorded, before, back) = next(position, (len(tape.events), ("nothing", None, None)))
        if recorded != wire:
            raise ReplayMismatch(f"tape: event {number} is {wire!r}, the recording has {recorded!r}")
        if not _same(_copy(sent), before):
            raise ReplayMismatch(f"tape: event {number}, {wire!r}: what was sent differs from the recording")
        return _copy(back)

    def program(knobs: Knobs) -> None:
        exchange("program", tuple(knobs))

    def pulse(drive: Knobs) -> None:
        exchange("pulse", tuple(drive))

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        reading = exchange("measure", (x, probe, first, last))
        assert reading is not None
        return reading

    return make_port(tape.spec, program, pulse, read)


def _copy(sent: Any) -> Any:
    """Nested tuples, tensors in them without a graph and with memory of their own."""
    return tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, Tensor) else leaf, sent)


def _same(a: Any, b: Any) -> bool:
    """Bitwise equality of nested tuples of tensors and numbers; None is nothing."""
    ours, theirs = tree_leaves(a), tree_leaves(b)
    return ours.keys() == theirs.keys() and all(_equal(leaf, theirs[name]) for name, leaf in ours.items())


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    return type(a) is type(b) and bool(a == b)
