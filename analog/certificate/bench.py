"""A bench for certificates: what is sent to a port within a budget, and what it refuses."""

from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple

import torch
from torch import Tensor

from ..port import BadReading, Dead, Port, Probe
from ..spec import Budget, Knobs
from ..streams import stream
from ..wires.budget import OverBudget, budgeted
from ..wires.metering import Ledger

ROWS: Final = 6  # examples of one repeated reading
REFERENCE: Final = 16  # calls of one reference reading, which are its replicates
AVERAGED: Final = 2  # examples of each, of which the mean is kept


class NotTried(Exception):
    """A law cannot be tried at this port; the message says why."""


class BadAnswer(NotTried):
    """A reading was not finite or of a wrong form, so that a law about other things cannot be tried."""


class Station(NamedTuple):
    """One layer of a chip as it can be read: driven alone, or seen at a tap of the whole chip."""

    name: str
    first: int
    last: int
    tap: int  # which tap of the span is looked at
    x: Tensor  # (features_in,), what it is driven with

    @property
    def alone(self) -> bool:
        """Whether nothing but this layer's own noise is in its tap."""
        return self.tap == 0


class Bench:
    """A port on the bench, metered, within its budget.

    Args:
        port: anybody's.
        budget: of the whole session.
        wait: lets seconds pass, or None.
        seconds: how long it is asked to wait.

    Attributes:
        stations: the layers as they can be read, one by one where the port drives spans.
    """

    def __init__(
        self, port: Port, budget: Budget, wait: Callable[[float], object] | None = None, seconds: float = 0.0
    ) -> None:
        self.spec, self.budget, self.wait, self.seconds = port.spec, budget, wait, seconds
        self.ledger = Ledger(port.spec)
        self._port = budgeted(port, self.ledger, budget)  # which checks what is sent and what comes back
        self._repeats: dict[str, list[Tensor]] = {}
        self._scales: dict[str, float] = {}
        self.reference: list[list[Tensor]] = []  # of each checkpoint and tap, (REFERENCE, nodes)
        self.stations = self._find_stations()

    @property
    def reads(self) -> int:
        """Vectors driven through the most used layer until now."""
        return max(self.ledger.reads)

    @property
    def pulses_per_cell(self) -> float:
        """Mean number of pulses sent to a cell of the most used chip until now."""
        return float(self.ledger.pulses_per_cell.max())

    @property
    def chips(self) -> int:
        """How many chips answer."""
        return self.spec.fleet[0] if self.spec.fleet else 1

    def taps(
        self, x: Tensor, probe: Probe = Probe(), first: int = 0, last: int | None = None
    ) -> tuple[Tensor, ...]:
        """The taps of one measurement.

        Args:
            x: (batch, features_in) or (*probes, *fleet, batch, features_in).

        Returns:
            Each tap that is shown, (probes, chips, batch, features), float64.

        Raises:
            NotTried: the port refuses it, or the budget does, or it answers what is no reading.
        """
        sent = x.to(self.spec.on, self.spec.dtype)
        shown = self._ask(lambda: self._port.measure(sent, probe, first=first, last=last)).taps
        taps = tuple(t.detach().cpu().double().reshape(-1, self.chips, *t.shape[-2:]) for t in shown)
        return taps

    def read(self, station: Station, x: Tensor | None = None, probe: Probe = Probe()) -> Tensor:
        """The reading of a station.

        Args:
            x: (batch, features_in) or with probe and fleet axes; None is one example of its own input.
            probe: of the layers that the station drives.

        Returns:
            (probes, batch, nodes), float64; the nodes of all chips of a fleet side by side.
        """
        sent = self.rows(station, 1) if x is None else x
        tap = self.taps(sent, probe, station.first, station.last)[station.tap]
        return tap.movedim(1, 2).flatten(2)

    def write(self, wire: Literal["program", "pulse"], drive: Knobs) -> None:
        """Program or pulse the knobs.

        Args:
            drive: (*fleet, tiles, rows, cols) each.

        Raises:
            NotTried: the port refuses it, or the budget does.
        """
        if self.budget.pulses_per_cell == 0:
            raise NotTried("the budget allows no pulses")
        wires = {"program": self._port.program, "pulse": self._port.pulse}
        self._ask(lambda: wires[wire](drive))

    def rows(self, station: Station, count: int) -> Tensor:  # (count, features_in)
        """The station's own input, so many times."""
        return station.x.expand(count, -1).to(self.spec.dtype)

    def signs(self, name: str, *shape: int) -> Tensor:
        """Fixed random signs of this shape under a name, in the wires' dtype."""
        coins = torch.randint(2, shape, generator=stream(0, "certificate", name, *shape))
        return (2 * coins - 1).to(self.spec.dtype)

    def repeats(self, station: Station, start: int, stop: int) -> Tensor:
        """Repeated readings of one batch of equal examples, numbers start to stop of the session.

        Returns:
            (stop - start, ROWS, nodes)
        """
        kept = self._repeats.setdefault(station.name, [])
        while len(kept) < stop:
            kept.append(self.read(station, self.rows(station, ROWS))[0])
        return torch.stack(kept[start:stop])

    def scale(self, station: Station) -> float:
        """Root mean square of a station's mean readings over its nodes."""
        if station.name not in self._scales:
            mean = self.repeats(station, 0, 4).mean((0, 1))
            self._scales[station.name] = max(float(mean.square().mean().sqrt()), 1e-12)
        return self._scales[station.name]

    def checkpoint(self) -> None:
        """Take one reference reading of the whole chip, for the law of drift."""
        generator = stream(0, "certificate", "reference")
        x = torch.rand(self.spec.layers[0].features_in, generator=generator, dtype=torch.float64)
        calls = [self.taps(x.expand(AVERAGED, -1)) for _ in range(REFERENCE)]
        taps = zip(*calls, strict=True)
        self.reference.append([torch.stack([tap[0].mean(1).flatten() for tap in each]) for each in taps])

    def _find_stations(self) -> tuple[Station, ...]:
        top = len(self.spec.layers) - 1

        def station(name: str, first: int, last: int, tap: int) -> Station:
            generator = stream(0, "certificate", "input", first)
            width = self.spec.layers[first].features_in
            return Station(name, first, last, tap, torch.rand(width, generator=generator))

        alone = tuple(station(f"layer {i}", i, i, 0) for i in range(top + 1))
        if top == 0:
            return alone
        try:
            for each in alone:
                self.read(each)
        except NotTried:
            x = station("", 0, top, 0).x
            shown = len(self.taps(x[None]))
            whole = station("output", 0, top, shown - 1)
            return (station("layer 0", 0, top, 0), whole) if shown > 1 else (whole._replace(tap=-1),)
        return alone

    def _ask(self, wire: Callable[[], Any]) -> Any:
        try:
            return wire()
        except OverBudget as error:
            raise NotTried(f"the budget of {error.budget} does not reach") from None
        except Dead as error:
            raise NotTried(f"the chip has died: {error}") from None
        except BadReading as error:
            raise BadAnswer(str(error)) from None
        except Exception as error:  # whatever an instrument's driver raises is its refusal
            raise NotTried(f"the port refuses it: {type(error).__name__}: {error}") from None
