"""Ports of a few layers of a chip, and ports put on top of each other.

With these a learner of whole chips teaches a part of one: it holds a port like any other.
"""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from analog.port import Port, Probe, Reading, make_port
from analog.spec import BadInput, Knobs, Spec

from .layer_by_layer import broadcast_taps


class PulseBuffer:
    """Drives that several sub-ports of a chip are to be pulsed with, kept until all are sent as one pulse."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._owed: list[Tensor | None] = [None] * len(port.spec.layers)

    def add(self, first: int, drive: Knobs) -> None:
        """Add to what the layers from `first` on are owed, (*fleet, tiles, rows, cols) each."""
        for layer, part in enumerate(drive, first):
            owed = self._owed[layer]
            self._owed[layer] = part if owed is None else owed + part

    def send(self) -> None:
        """Pulse the chip once with all that is owed; layers that nobody drove get zeros."""
        zeros = self._port.spec.zeros()
        self._port.pulse(
            tuple(z if owed is None else owed for owed, z in zip(self._owed, zeros, strict=True))
        )
        self._owed = [None] * len(zeros)


def sub_port(port: Port, first: int, last: int, buffer: PulseBuffer | None = None) -> Port:
    """The wires of layers first..last alone, as of a smaller chip, which cannot be programmed.

    Args:
        buffer: takes the drives in place of the chip, to be sent with those of other sub-ports; None pulses
            the chip at once, with nothing for its other layers.

    Raises:
        BadInput: there are no such layers.
    """
    spec = port.spec.span(first, last)

    def pulse(drive: Knobs) -> None:
        pending = buffer or PulseBuffer(port)
        pending.add(first, drive)
        if buffer is None:
            pending.send()

    def program(knobs: Knobs) -> None:
        del knobs
        raise BadInput(f"program: layers {first}..{last} are a part of a chip; program the whole")

    def read(x: Tensor, probe: Probe, start: int, end: int) -> Reading:
        return port.measure(x, probe, first=first + start, last=first + end)

    return make_port(spec, program, pulse, read)


def stack_specs(lower: Spec, upper: Spec) -> Spec:
    """The datasheet of two chips (or parts) on top of each other; costs are quoted from the lower one.

    Raises:
        BadInput: their sizes, fleets, dtypes or devices do not fit.
    """
    if (lower.fleet, lower.dtype, lower.on) != (upper.fleet, upper.dtype, upper.on):
        raise BadInput(
            f"stack: a fleet {lower.fleet} of {lower.dtype} on {lower.on} under a fleet {upper.fleet} "
            f"of {upper.dtype} on {upper.on}; both must be alike"
        )
    return replace(lower, layers=lower.layers + upper.layers)


def stack_ports(lower: Port, upper: Port) -> Port:
    """Two chips (or parts) as one: what the lower one's last layer shows drives the upper one.

    Raises:
        BadInput: their datasheets do not fit (see `stack_specs`).
    """
    spec = stack_specs(lower.spec, upper.spec)
    cut = len(lower.spec.layers)

    def both(wire: Callable[[Port], Callable[[Knobs], None]]) -> Callable[[Knobs], None]:
        def send(knobs: Knobs) -> None:
            wire(lower)(knobs[:cut])
            wire(upper)(knobs[cut:])

        return send

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        if last < cut:
            return lower.measure(x, probe, first=first, last=last)
        if first >= cut:
            return upper.measure(x, probe, first=first - cut, last=last - cut)
        split = cut - first
        taps = lower.measure(x, probe.part(0, split - 1), first=first, last=cut - 1).taps
        rest = upper.measure(taps[-1], probe.part(split), last=last - cut).taps
        return Reading(broadcast_taps((*taps, *rest)))

    return make_port(spec, both(lambda p: p.program), both(lambda p: p.pulse), read)
