"""Wrappers around wires, Port -> Port: a meter, a tape recorder and its playback."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from .port import Knobs, Port, Probe, Reading, Spec


class Ledger:
    """What a chip was put through, counted at its wires. For a fleet, counts are for each chip.

    Attributes:
        readings: vectors driven through each layer (probes times batch, summed over measurements).
        pulses: pulses sent to each cell, one (*fleet, tiles, rows, cols) per layer; a `program` counts
            as the pulses from blank.
        seconds: time on the chip's clock spent in its wires.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.readings = [0] * len(spec.layers)
        self.pulses = spec.zeros()
        self.seconds = 0.0

    @property
    def joules(self) -> Tensor:  # (*fleet,)
        """Energy of all readings and pulses of each chip."""
        costs, fleet = self.spec.costs, len(self.spec.fleet)
        cells = [math.prod(s[fleet:]) for s in self.spec.shapes]
        sites = [la.features // (la.tiles * la.rows) for la in self.spec.layers]
        reading = sum(n * c * s for n, c, s in zip(self.readings, cells, sites, strict=True))
        return self._sent * costs.pulse_joules + reading * costs.reading_joules

    @property
    def pulses_per_cell(self) -> Tensor:  # (*fleet,)
        """Mean number of pulses sent to a cell of each chip."""
        fleet = len(self.spec.fleet)
        return self._sent / sum(math.prod(s[fleet:]) for s in self.spec.shapes)

    @property
    def _sent(self) -> Tensor:  # (*fleet,)
        return torch.stack([p.sum((-3, -2, -1)) for p in self.pulses]).sum(0)

    def read(self, reading: Reading, first: int) -> None:
        """Book one measurement of a span that begins at layer `first`."""
        vectors = self.spec.vectors(reading.out)
        for i in range(len(reading.taps)):
            self.readings[first + i] += vectors
        self.seconds += self.spec.costs.reading_seconds * vectors * len(reading.taps)

    def pulsed(self, drive: Knobs) -> None:
        """Book one pulse or program."""
        for total, sent in zip(self.pulses, drive, strict=True):
            total += self.spec.costs.pulses(sent)
        self.seconds += self.spec.costs.pulsing_seconds(drive)


def metered(port: Port, ledger: Ledger) -> Port:
    """The same wires, booking in `ledger` whatever the hardware accepted."""
    if ledger.spec != port.spec:
        raise ValueError("metered: this ledger was opened for another datasheet; use Ledger(port.spec)")

    def program(knobs: Knobs) -> None:
        port.program(knobs)
        ledger.pulsed(knobs)

    def pulse(drive: Knobs) -> None:
        port.pulse(drive)
        ledger.pulsed(drive)

    def measure(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        reading = port.measure(x, probe, first=first, last=last)
        ledger.read(reading, first)
        return reading

    return port._replace(program=program, pulse=pulse, measure=measure)


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
