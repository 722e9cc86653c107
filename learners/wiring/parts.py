"""Wires of a piece of a chip, pieces put on top of each other, and a digital read-out with the same wires.

With these a learner of whole chips teaches a part of one: it holds a port like any other.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from analog.layers.crossbar import Layer
from analog.port import Port
from analog.port import Probe
from analog.port import Reading
from analog.port import make_port
from analog.port import rewired
from analog.spec import BadInput
from analog.spec import Knobs
from analog.spec import Spec


class HeldBack:
    """Drives that pieces of a chip were to be pulsed with, until all are sent as one pulse."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._held: list[Tensor | None] = [None] * len(port.spec.layers)

    def hold(self, first: int, drive: Knobs) -> None:
        """Add to what layers from `first` on are owed."""
        for at, part in enumerate(drive, first):
            owed = self._held[at]
            self._held[at] = part if owed is None else owed + part

    def send(self) -> None:
        """Pulse the chip once with all that was held; layers that nobody drove get none."""
        zeros = self._port.spec.zeros()
        self._port.pulse(tuple(z if h is None else h for h, z in zip(self._held, zeros, strict=True)))
        self._held = [None] * len(zeros)


def piece(port: Port, first: int, last: int, held: HeldBack | None = None) -> Port:
    """The wires of layers first..last alone, as of a smaller chip.

    Args:
        held: takes the drives in place of the chip, to be sent with those of other pieces; None pulses
            the chip at once, with nothing for its other layers.
    """
    spec, bottom = port.spec.span(first, last), first
    own = held or HeldBack(port)

    def pulse(drive: Knobs) -> None:
        own.hold(first, drive)
        if held is None:
            own.send()

    def program(knobs: Knobs) -> None:
        del knobs
        raise BadInput(f"program: layers {first}..{last} are a piece of a chip; program the whole")

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        return port.measure(x, probe, first=bottom + first, last=bottom + last)

    return make_port(spec, program, pulse, read)


def stacked(below: Spec, above: Spec) -> Spec:
    """The datasheet of two chips (or pieces) on top of each other; costs are quoted from the lower one.

    Raises:
        BadInput: their sizes, fleets, dtypes or devices do not fit.
    """
    if (below.fleet, below.dtype, below.on) != (above.fleet, above.dtype, above.on):
        raise BadInput(
            f"joined: a fleet {below.fleet} of {below.dtype} on {below.on} under a fleet {above.fleet} "
            f"of {above.dtype} on {above.on}; both must be alike"
        )
    return replace(below, layers=below.layers + above.layers)


def joined(lower: Port, upper: Port) -> Port:
    """Two chips (or pieces) as one: what the lower one's last layer shows drives the upper one.

    Raises:
        BadInput: their datasheets do not fit (see `stacked`).
    """
    spec = stacked(lower.spec, upper.spec)
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
        return Reading(alike((*taps, *rest)))

    return make_port(spec, both(lambda p: p.program), both(lambda p: p.pulse), read)


def through(port: Port, between: Callable[[Tensor], Tensor]) -> Port:
    """The same wires with digital wiring from each tap to what drives the layer above; taps as they are.

    What drives the first layer of a measurement is taken as it is given.
    """

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps: list[Tensor] = []
        for i in range(first, last + 1):
            inputs = between(taps[-1]) if taps else x
            taps += port.measure(inputs, probe.part(i - first, i - first), first=i, last=i).taps
        return Reading(alike(taps))

    return rewired(port, read)


def alike(taps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Taps that no probe had reached yet are the same for all probes."""
    full = taps[-1]
    return tuple(
        t if t.ndim == full.ndim else t.expand(*full.shape[: full.ndim - t.ndim], *t.shape) for t in taps
    )


class Readout:
    """One linear layer outside the chip, exact and silent: a local head kept in digital memory.

    Args:
        spec: the chip (or piece) it reads; its fleet, dtype and device are taken over.
        layer: the wiring; as many inputs as the chip's last layer has outputs.
        knobs: (*fleet, tiles, rows, cols), where it starts; None for zeros.
    """

    def __init__(self, spec: Spec, layer: Layer, knobs: Tensor | None = None) -> None:
        self.spec = replace(spec, layers=(layer,))
        self.knobs = self.spec.zeros()[0] if knobs is None else knobs

    def port(self) -> Port:
        """The wires of this read-out; pulses change it exactly."""
        layer = self.spec.layers[0]

        def program(knobs: Knobs) -> None:
            self.knobs = knobs[0].clone()

        def pulse(drive: Knobs) -> None:
            self.knobs = self.knobs + drive[0]

        def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
            del first, last
            knobs = (
                self.knobs if probe.knobs is None or probe.knobs[0] is None else self.knobs + probe.knobs[0]
            )
            out = layer.scatter(layer.gather(x) @ knobs.mT)
            return Reading((out if probe.nodes is None or probe.nodes[0] is None else out + probe.nodes[0],))

        return make_port(self.spec, program, pulse, read)
