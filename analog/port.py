"""The wires that leave a chip: all that a learner ever gets, and the one place where input is checked.

A port may as well belong to a lab instrument: `checked(Port(spec, dac.write, dac.pulse, adc.read))`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .inputs import check_knobs, check_probe, check_x, examine
from .rejection import Rejected
from .spec import BadInput, Knobs, Spec
from .verdicts import require_finite, settle, settle_many


class Dead(Rejected, RuntimeError):
    """The hardware behind this port has died, and its knowledge with it."""


class BadReading(RuntimeError):
    """An answer of the hardware behind a port has the wrong form: taps are missing, or of another shape.

    Or it is not finite. Either way the measurement was made, and has cost what it costs.
    """


class Probe(NamedTuple):
    """Perturbations that are added to knobs or to summing nodes during one measurement.

    One entry per driven layer; None where a layer is left alone.
    """

    knobs: tuple[Tensor | None, ...] | None = None  # (*probes, *fleet, tiles, rows, cols)
    nodes: tuple[Tensor | None, ...] | None = None  # (*probes, *fleet, batch, features)

    def __repr__(self) -> str:
        parts = [
            f"{place} {', '.join('None' if e is None else str(tuple(e.shape)) for e in entries)}"
            for place, entries in zip(self._fields, self, strict=True)
            if entries is not None
        ]
        return f"Probe({'; '.join(parts)})"

    def part(self, first: int, last: int | None = None) -> "Probe":
        """The entries for driven layers first..last (inclusive, counted from the first driven layer).

        What leaves all of these layers alone becomes None.

        Args:
            last: None is the last driven layer.
        """
        end = None if last is None else last + 1
        parts = (None if entries is None else tuple(entries[first:end]) for entries in self)
        return Probe(*(None if part is None or all(e is None for e in part) else part for part in parts))

    def padded(self, before: int = 0, after: int = 0) -> "Probe":
        """The same probe of a longer span, which leaves so many more layers alone below and above."""
        below, above = (None,) * before, (None,) * after
        return Probe(*(None if entries is None else (*below, *entries, *above) for entries in self))

    def lead(self, spec: Spec, x: Tensor) -> tuple[int, ...]:
        """The probe axes of a measurement of the layers in `spec`, which the probe or x or both carry.

        Args:
            x: (batch, features_in) or (*probes, *fleet, batch, features_in).
        """
        fleet = len(spec.fleet)
        entries = [(e, 3) for e in self.knobs or ()] + [(e, 2) for e in (*(self.nodes or ()), x)]
        leads = [tuple(e.shape[: max(0, e.ndim - axes - fleet)]) for e, axes in entries if e is not None]
        return max(leads, key=len)


class Reading(NamedTuple):
    """The taps of one measurement: the output of every driven layer."""

    taps: tuple[Tensor, ...]  # each (*probes, *fleet, batch, features)

    @property
    def out(self) -> Tensor:
        """The last driven layer's output, (*probes, *fleet, batch, features)."""
        return self.taps[-1]

    def __repr__(self) -> str:
        return f"Reading(taps {', '.join(str(tuple(tap.shape)) for tap in self.taps)})"


class Measure(Protocol):
    """The wire that reads a chip."""

    def __call__(self, x: Tensor, probe: Probe = ..., *, first: int = 0, last: int | None = None) -> Reading:
        """Drive layers first..last with x, and read every tap.

        Args:
            x: (batch, features_in), the same for all chips, or (*probes, *fleet, batch, features_in).
            probe: what is added meanwhile, one entry for each driven layer.
            first: the first driven layer.
            last: the last driven layer, inclusive; None is the read-out.

        Returns:
            One tap for each driven layer, (*probes, *fleet, batch, features).

        Raises:
            BadInput: x, the probe or the span do not fit; the chip did not see them.
            BadReading: the answer is not one tap of finite numbers for each layer; the measurement was made.
            Dead: the chip has died.
        """
        ...


class Port(NamedTuple):
    """The wires of a chip. All run without grad and copy in and out.

    What is sent into any of them raises BadInput where it does not fit, Dead where the chip has died.
    """

    spec: Spec
    program: Callable[[Knobs], None]  # set the knobs from blank
    pulse: Callable[[Knobs], None]  # change the knobs, relatively and imprecisely
    measure: Measure

    def __repr__(self) -> str:
        spec = self.spec
        chips = f" x {math.prod(spec.fleet)} chips" if spec.fleet else ""
        dtype = str(spec.dtype).removeprefix("torch.")
        return f"Port({spec.sizes}{chips}, shows {spec.access}, {dtype} on {spec.on})"


def require_port(port: object, user: str) -> None:
    """Refuse what is not the wires of a chip.

    Raises:
        TypeError: saying what came, and what to do where it is a chip or a network.
    """
    if not isinstance(port, Port):
        hint = "; give its wires, chip.port()" if callable(getattr(port, "port", None)) else ""
        if isinstance(port, torch.nn.Module):
            hint = (
                "; a network answers as learners.interop.port_of(network, features_in=...), and learns as a "
                "chip with its layers_of(network, device)"
            )
        raise TypeError(f"{user}: port is a {type(port).__name__}, wanted a Port{hint}")


Read = Callable[[Tensor, Probe, int, int], Reading]  # x, probe, first, last -> what the taps showed


def rewired(
    port: Port,
    read: Read,
    *,
    program: Callable[[Knobs], None] | None = None,
    pulse: Callable[[Knobs], None] | None = None,
) -> Port:
    """The same port with another way to measure, and perhaps to write.

    Args:
        read: takes x, the probe, and the first and last layer (inclusive, a span of the chip), and reads
            the taps.
        program, pulse: in place of the port's own; None keeps those.
    """
    return Port(port.spec, program or port.program, pulse or port.pulse, _measure(port.spec, read))


def make_port(
    spec: Spec, program: Callable[[Knobs], None], pulse: Callable[[Knobs], None], read: Read
) -> Port:
    """A checked port made of functions.

    Args:
        read: takes x, the probe, and the first and last layer (inclusive, a span of the chip), and reads
            the taps.
    """
    return checked(Port(spec, program, pulse, _measure(spec, read)))


def _measure(spec: Spec, read: Read) -> Measure:
    def measure(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        return read(x, probe, first, first + len(spec.span(first, last).layers) - 1)

    return measure


def checked(port: Port) -> Port:
    """The same wires, refusing bad input before the hardware sees any of it, and answers of a wrong form.

    A laboratory's instruments become a port so: `checked(Port(spec, dac.write, dac.pulse, adc.read))`.

    Raises:
        TypeError: it is no port.
        BadInput: by the wires, for what is sent.
        BadReading: by `measure`, for an answer that has the wrong form or is not finite.
    """
    require_port(port, "checked")
    spec = port.spec

    def program(knobs: Knobs) -> None:
        knobs = examine("program: knobs", check_knobs, spec, "program: knobs", knobs)
        settle()
        port.program(knobs)

    def pulse(drive: Knobs) -> None:
        drive = examine("pulse: drive", check_knobs, spec, "pulse: drive", drive)
        settle()
        port.pulse(drive)

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        driven = spec.span(first, last)
        x = examine("measure: x", check_x, driven, first, x)
        if not isinstance(probe, Probe):
            raise BadInput(f"measure: probe is {type(probe).__name__}, wanted a Probe")
        if probe.knobs is not None or probe.nodes is not None:
            probe = Probe(*examine("measure: probe", check_probe, driven, first, x, *probe))
        return _answer(driven, first, x, probe, port.measure(x, probe, first=first, last=last))

    return rewired(port, read, program=program, pulse=pulse)


def _answer(driven: Spec, first: int, x: Tensor, probe: Probe, reading: object) -> Reading:
    """What came back, if it is a tap of the right form for each driven layer, or for the last alone."""
    last = first + len(driven.layers) - 1
    if not isinstance(reading, Reading) or len(reading.taps) not in (1, len(driven.layers)):
        count = len(reading.taps) if isinstance(reading, Reading) else type(reading).__name__
        raise BadReading(
            f"measure: the hardware answered with {count}, wanted a Reading of {len(driven.layers)} taps, "
            f"of layers {first}..{last} (inclusive)"
        )
    lead = (*probe.lead(driven, x), *driven.fleet, x.shape[-2])
    for i, (tap, layer) in enumerate(zip(reading.taps[::-1], driven.layers[::-1], strict=False)):
        wanted = (*lead, 1 if driven.access.level == "loss" else layer.features)
        if not isinstance(tap, Tensor) or tap.dtype != driven.dtype or tuple(tap.shape) != wanted:
            form = f"{tap.dtype} {tuple(tap.shape)}" if isinstance(tap, Tensor) else type(tap).__name__
            raise BadReading(
                f"measure of layers {first}..{last} (inclusive): the tap of layer {last - i} is {form}, "
                f"wanted {driven.dtype} {wanted}"
            )
    for i, tap in enumerate(reading.taps, last + 1 - len(reading.taps)):
        require_finite(tap, partial(_not_finite, i, tap))
    settle_many()
    return reading


def _not_finite(layer: int, tap: Tensor) -> BadReading:
    bad = int((~torch.isfinite(tap)).sum())
    return BadReading(
        f"layer {layer}: the chip's answer is NaN or infinite in {bad} of {tap.numel()} values (x, a probe "
        "or its knobs are larger than it can carry); a reading is not finite"
    )
