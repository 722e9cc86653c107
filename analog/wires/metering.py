"""A ledger of what a chip was put through, and the wrapper that keeps it at the chip's wires."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ..costs import Costs, Energy
from ..layers.recurrence import count_steps
from ..port import Port, Probe, Reading, require_port, rewired
from ..rejection import Rejected
from ..spec import Knobs, Spec
from ..tables import html_table


class Ledger:
    """The use of a chip, counted at its wires; for a fleet, counts are for each chip.

    Attributes:
        reads: vectors driven through each layer (probes times batch, summed over measurements); through one
            with a state, in each of its steps.
        pulses: pulses sent to each cell, one (*fleet, tiles, rows, cols) per layer; a `program` counts
            as the pulses from blank.
        seconds: time on the chip's clock spent in its wires.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.reads = [0] * len(spec.layers)
        self.pulses = tuple(z.double() for z in spec.zeros())  # single precision stops counting at 1.7e7
        self.seconds = 0.0

    def __repr__(self) -> str:
        fleet = f" x {math.prod(self.spec.fleet)}" if self.spec.fleet else ""
        most = self.after_read(0, 0, 0)
        return (
            f"Ledger({self.spec.sizes}{fleet}, {most['reads']:,} reads, "
            f"{most['pulses_per_cell']:.3g} pulses a cell, {most['joules']:.3g} J, {self.seconds:.3g} s)"
        )

    def _repr_html_(self) -> str:
        """A notebook's view: reads and pulses by layer, the energy by where it went; of a fleet the means."""
        counts = [
            (f"layer {i}", f"{reads:,}", f"{float(pulses.mean()):.3g}", "")
            for i, (reads, pulses) in enumerate(zip(self.reads, self.pulses, strict=True))
        ]
        energy = [(name, "", "", f"{float(part.mean()):.3g}") for name, part in self._parts().items()]
        return html_table(repr(self), ("", "reads", "pulses a cell", "J"), [*counts, *energy])

    def _parts(self) -> dict[str, Tensor]:  # (*fleet,) each
        """The energy of each chip, J, by where it went; what took none is left out."""
        parts = self.energy()._asdict()
        return {name: part for name, part in parts.items() if isinstance(part, Tensor) and float(part.max())}

    @property
    def joules(self) -> Tensor:  # (*fleet,)
        """Energy of all reads and pulses of each chip, J; by its parts, see `energy`."""
        return self._energy(self.reads, self._sent, self.spec.costs).total

    def energy(self, costs: Costs | None = None) -> Energy:
        """Energy of all reads and pulses of each chip, J, by where it went, (*fleet,) each.

        Args:
            costs: other prices than the datasheet's, for the same use; of pulses as they were counted.
        """
        return self._energy(self.reads, self._sent, costs or self.spec.costs)

    @property
    def pulses_per_cell(self) -> Tensor:  # (*fleet,)
        """Mean number of pulses sent to a cell of each chip."""
        return self._sent / sum(self._cells)

    def book_read(self, vectors: int, first: int, last: int) -> None:
        """Book one measurement of layers first..last (inclusive), driven by so many vectors."""
        self.reads, self.seconds = self._with_read(vectors, first, last)

    def book_pulse(self, drive: Knobs) -> None:
        """Book one pulse or program."""
        for total, sent in zip(self.pulses, drive, strict=True):
            total += self.spec.costs.pulses(sent.double())  # single precision overflows at 3e38 steps
        self.seconds += self.spec.costs.pulsing_seconds(drive)

    def after_read(self, vectors: int, first: int, last: int) -> dict[str, float]:
        """The use counted by each limit of a Budget after a measurement, at the most used layer and chip."""
        reads, seconds = self._with_read(vectors, first, last)
        return self._standing(reads, self._sent, seconds)

    def after_pulse(self, drive: Knobs) -> dict[str, float]:
        """The use counted by each limit of a Budget after a pulse or program, of the most used chip."""
        costs = self.spec.costs
        sent = self._sent + _per_chip(costs.pulses(d.double()) for d in drive)
        return self._standing(self.reads, sent, self.seconds + costs.pulsing_seconds(drive))

    def _with_read(self, vectors: int, first: int, last: int) -> tuple[list[int], float]:
        vectors *= self.spec.repeats
        driven, reads = self.spec.span(first, last), list(self.reads)
        for i, layer in enumerate(driven.layers, first):
            reads[i] += vectors * count_steps(layer)
        return reads, self.seconds + self.spec.costs.reading_seconds(vectors, driven.passes)

    def _standing(self, reads: list[int], sent: Tensor, seconds: float) -> dict[str, float]:
        return {
            "reads": max(reads),
            "pulses_per_cell": float(sent.max()) / sum(self._cells),
            "joules": float(self._energy(reads, sent, self.spec.costs).total.max()),
            "seconds": seconds,
        }

    def _energy(self, reads: list[int], sent: Tensor, costs: Costs) -> Energy:  # (*fleet,) each
        vectors = [costs.vector_energy(layer) for layer in self.spec.layers]
        array = sum(n * one.array for n, one in zip(reads, vectors, strict=True))
        converters = sum(n * one.converters for n, one in zip(reads, vectors, strict=True))
        same = torch.ones_like(sent)
        return Energy(same * array, same * converters, sent * costs.pulse_joules, same * 0)

    @property
    def _cells(self) -> list[int]:
        """Cells of one chip, by layer."""
        return [math.prod(s[len(self.spec.fleet) :]) for s in self.spec.shapes]

    @property
    def _sent(self) -> Tensor:  # (*fleet,)
        return _per_chip(self.pulses)


def _per_chip(pulses: Iterable[Tensor]) -> Tensor:  # (*fleet,)
    return torch.stack([p.sum((-3, -2, -1)) for p in pulses]).sum(0)


def metered(port: Port, ledger: Ledger) -> Port:
    """The same wires, booking in `ledger` whatever the hardware may have carried out.

    What was rejected before the hardware saw it is not booked. Any other failure (a broken connection, an
    instrument that stopped midway, an answer that is not finite) comes too late to say so, and is booked
    whole.

    Raises:
        TypeError: it is no port.
        ValueError: the ledger was opened for another datasheet.
    """
    require_port(port, "metered")
    if ledger.spec != port.spec:
        raise ValueError("metered: this ledger was opened for another datasheet; use Ledger(port.spec)")

    def program(knobs: Knobs) -> None:
        with _booking(lambda: ledger.book_pulse(knobs)):
            port.program(knobs)

    def pulse(drive: Knobs) -> None:
        with _booking(lambda: ledger.book_pulse(drive)):
            port.pulse(drive)

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        def book() -> None:
            driven = port.spec.span(first, last)
            ledger.book_read(math.prod(probe.lead(driven, x)) * x.shape[-2], first, last)

        with _booking(book):
            return port.measure(x, probe, first=first, last=last)

    return rewired(port, read, program=program, pulse=pulse)


@contextmanager
def _booking(book: Callable[[], None]) -> Iterator[None]:
    """Book what goes on inside, unless it is rejected."""
    try:
        yield
    except Rejected:
        raise
    except BaseException:
        book()
        raise
    book()
