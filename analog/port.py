"""The wires that leave a chip: all that a learner ever gets, and the one place where input is checked.

A port may as well belong to a lab instrument: `checked(Port(spec, dac.write, dac.pulse, adc.read))`.
"""

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .spec import BadInput, Knobs, Spec


class Dead(RuntimeError):
    """The hardware behind this port has died, and its knowledge with it."""


class BadReading(RuntimeError):
    """An answer of the hardware behind a port has the wrong form: taps are missing, or of another shape."""


class Probe(NamedTuple):
    """Perturbations that are added to knobs or to summing nodes during one measurement.

    One entry per driven layer; None where a layer is left alone.
    """

    knobs: tuple[Tensor | None, ...] | None = None  # (*probes, *fleet, tiles, rows, cols)
    nodes: tuple[Tensor | None, ...] | None = None  # (*probes, *fleet, batch, features)

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
        BadInput: by the wires, for what is sent.
        BadReading: by `measure`, for what an instrument answers.
    """
    spec = port.spec

    def program(knobs: Knobs) -> None:
        port.program(_knobs(spec, "program: knobs", knobs))

    def pulse(drive: Knobs) -> None:
        port.pulse(_knobs(spec, "pulse: drive", drive))

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        driven = spec.span(first, last)
        _input(driven, first, x)
        if not isinstance(probe, Probe):
            raise BadInput(f"measure: probe is {type(probe).__name__}, wanted a Probe")
        lead = _probe(driven, first, x, probe)
        carried = tuple(x.shape[: x.ndim - 2 - len(spec.fleet)]) if x.ndim > 2 else ()
        if lead and carried and lead != carried:
            raise BadInput(f"measure: x has probe axes {carried}, the probe has {lead}; give both the same")
        return _answer(driven, x, port.measure(x, probe, first=first, last=last))

    return rewired(port, read, program=program, pulse=pulse)


def _answer(driven: Spec, x: Tensor, reading: object) -> Reading:
    """What came back, if it is a tap of the right form for each driven layer, or for the last alone."""
    depth = len(driven.layers)
    if not isinstance(reading, Reading) or len(reading.taps) not in (1, depth):
        count = len(reading.taps) if isinstance(reading, Reading) else type(reading).__name__
        raise BadReading(f"measure: the hardware answered with {count}, wanted a Reading of {depth} taps")
    for i, (tap, layer) in enumerate(zip(reading.taps[::-1], driven.layers[::-1], strict=False), 1):
        wanted = (x.shape[-2], 1 if driven.access.level == "loss" else layer.features)
        if not isinstance(tap, Tensor) or tap.dtype != driven.dtype or tuple(tap.shape[-2:]) != wanted:
            form = f"{tap.dtype} {tuple(tap.shape)}" if isinstance(tap, Tensor) else type(tap).__name__
            raise BadReading(
                f"measure: tap {i} is {form}, wanted {driven.dtype} (..., {wanted[0]}, {wanted[1]})"
            )
    return reading


def _require_finite(name: str, tensor: Tensor) -> None:
    if math.isfinite(tensor.sum().item()) or torch.isfinite(tensor).all():  # a sum may overflow honestly
        return
    bad = int((~torch.isfinite(tensor)).sum())
    raise BadInput(f"{name}: {bad} of {tensor.numel()} values are NaN or infinite; send finite numbers")


def _tensor(spec: Spec, name: str, value: object) -> Tensor:
    if not isinstance(value, Tensor):
        raise BadInput(f"{name}: got {type(value).__name__}, wanted a torch tensor")
    if value.dtype != spec.dtype:
        raise BadInput(
            f"{name}: dtype is {value.dtype}, the chip's wires take {spec.dtype}; convert it first"
        )
    if value.device.type != torch.device(spec.on).type:
        raise BadInput(f"{name}: lives on {value.device}, the chip on {spec.on}; move it first")
    return value


def _knobs(spec: Spec, name: str, value: Knobs) -> Knobs:
    if not isinstance(value, tuple | list) or len(value) != len(spec.layers):
        count = len(value) if isinstance(value, tuple | list) else type(value).__name__
        raise BadInput(f"{name}: got {count}, wanted a tuple of {len(spec.layers)} tensors, one per layer")
    for i, (entry, shape) in enumerate(zip(value, spec.shapes, strict=True)):
        tensor = _tensor(spec, f"layer {i}: {name}", entry)
        if tuple(tensor.shape) != shape:
            raise BadInput(
                f"layer {i}: {name} is {tuple(tensor.shape)}, knobs are {shape}{_hint(spec, shape, tensor)}"
            )
        _require_finite(f"layer {i}: {name}", tensor)
    return tuple(value)


def _hint(spec: Spec, wanted: tuple[int, ...], tensor: Tensor) -> str:
    if spec.fleet and tuple(tensor.shape) == wanted[len(spec.fleet) :]:
        return "; no fleet axis?"
    return ""


def _input(spec: Spec, first: int, x: Tensor) -> None:
    x = _tensor(spec, "measure: x", x)
    wanted = spec.layers[0].features_in
    if x.ndim < 2 or x.shape[-1] != wanted:
        raise BadInput(f"measure: x is {tuple(x.shape)}, layer {first} wants (..., batch, {wanted})")
    if 0 in x.shape:
        raise BadInput(f"measure: x is {tuple(x.shape)}, an empty batch; send at least one example")
    axes = tuple(x.shape[:-2])
    if axes and spec.fleet and axes[-len(spec.fleet) :] != spec.fleet:
        raise BadInput(
            f"measure: x is {tuple(x.shape)}, leading axes {axes} must end with the fleet {spec.fleet}"
        )
    _require_finite("measure: x", x)


def _probe(spec: Spec, first: int, x: Tensor, probe: Probe) -> tuple[int, ...]:
    """Check a probe against the driven layers `spec`; return its probe axes."""
    at_nodes = tuple((*spec.fleet, x.shape[-2], la.features) for la in spec.layers)
    leads = {
        **_entries(spec, first, "knobs", probe.knobs, spec.shapes),
        **_entries(spec, first, "nodes", probe.nodes, at_nodes),
    }
    if len(set(leads.values())) > 1:
        raise BadInput(f"measure: probe axes differ between entries: {leads}")
    return next(iter(leads.values()), ())


def _entries(
    spec: Spec, first: int, name: str, entries: object, shapes: tuple[tuple[int, ...], ...]
) -> dict[str, tuple[int, ...]]:
    """Check the entries of a probe against the shapes that follow its axes; return those axes by entry."""
    if entries is None:
        return {}
    if not isinstance(entries, tuple | list) or len(entries) != len(shapes):
        count = len(entries) if isinstance(entries, tuple | list) else type(entries).__name__
        raise BadInput(
            f"measure: probe.{name} has {count} entries, the driven span is layers "
            f"{first}..{first + len(shapes) - 1}; give one tensor or None for each of the {len(shapes)}"
        )
    leads = {}
    for i, (entry, shape) in enumerate(zip(entries, shapes, strict=True)):
        if entry is None:
            continue
        label = f"layer {first + i}: probe.{name}"
        tensor = _tensor(spec, label, entry)
        if tensor.ndim < len(shape) or tuple(tensor.shape[tensor.ndim - len(shape) :]) != shape:
            raise BadInput(
                f"{label} is {tuple(tensor.shape)}, wanted (*probes, {', '.join(map(str, shape))})"
                f"{_hint(spec, shape, tensor)}"
            )
        _require_finite(label, tensor)
        leads[label] = tuple(tensor.shape[: tensor.ndim - len(shape)])
        if 0 in leads[label]:
            raise BadInput(f"{label} is {tuple(tensor.shape)}, no probe at all; send at least one")
    return leads
