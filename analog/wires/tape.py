"""A tape of everything that went over the wires of a port, and its playback with no chip present."""

from dataclasses import dataclass
from dataclasses import field
from typing import Any

import torch
from torch import Tensor

from ..port import Port
from ..port import Probe
from ..port import Reading
from ..spec import Knobs
from ..spec import Spec


@dataclass
class Tape:
    """A transcript of everything that went over the wires of one port."""

    spec: Spec
    events: list[tuple[str, Any, Reading | None]] = field(default_factory=list)  # wire, sent, came back


class OffTape(RuntimeError):
    """A learner sent something else than it did when the tape was recorded."""


def taped(port: Port, tape: Tape) -> Port:
    """The same wires, recorded on `tape`."""

    def exchange(wire: str, sent: Any, back: Reading | None = None) -> Reading | None:
        tape.events.append((wire, _copy(sent), _copy(back)))
        return back

    def program(knobs: Knobs) -> None:
        port.program(knobs)
        exchange("program", tuple(knobs))

    def pulse(drive: Knobs) -> None:
        port.pulse(drive)
        exchange("pulse", tuple(drive))

    def measure(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        reading = port.measure(x, probe, first=first, last=last)
        exchange("measure", (x, probe, first, last), reading)
        return reading

    return port._replace(program=program, pulse=pulse, measure=measure)


def replayed(tape: Tape) -> Port:
    """Wires with no chip behind them that answer from the tape.

    Raises `OffTape` at the first event that is not bitwise what was recorded: a learner that is a
    function of its measurements never does.
    """
    position = iter(enumerate(tape.events))

    def exchange(wire: str, sent: Any) -> Reading | None:
        at, (recorded, before, back) = next(position, (len(tape.events), ("nothing", None, None)))
        if recorded != wire:
            raise OffTape(f"tape: event {at} is {wire!r}, the recording has {recorded!r}")
        if not _same(_copy(sent), before):
            raise OffTape(f"tape: event {at}, {wire!r}: what was sent differs from the recording")
        return _copy(back)

    def measure(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        reading = exchange("measure", (x, probe, first, last))
        assert reading is not None
        return reading

    return Port(
        tape.spec,
        lambda knobs: (exchange("program", tuple(knobs)), None)[1],
        lambda drive: (exchange("pulse", tuple(drive)), None)[1],
        measure,
    )


def _copy(sent: Any) -> Any:
    """Nested tuples, tensors in them without a graph and with memory of their own."""
    if isinstance(sent, Tensor):
        return sent.detach().clone()
    if isinstance(sent, Probe | Reading):
        return type(sent)(*map(_copy, sent))
    return tuple(map(_copy, sent)) if isinstance(sent, tuple | list) else sent


def _same(a: Any, b: Any) -> bool:
    """Bitwise equality of nested tuples of tensors, numbers and None."""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_same(p, q) for p, q in zip(a, b, strict=True))
    return type(a) is type(b) and bool(a == b)
