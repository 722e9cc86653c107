"""Wires whose taps have two converters each, between which states measured side by side are shared out."""

import torch
from torch import Generator, Tensor

from analog import Port, Probe, Reading
from analog.port import rewired


def with_two_converters(port: Port, difference: float, generator: Generator) -> Port:
    """Wires where every second state of a measurement is read by converters of their own.

    A learner that compares two states then compares converters too, unless it takes turns. A measurement of
    one state is read by the first converters alone.

    Args:
        port: a chip's.
        difference: V, sd of what the second converter of a tap shows above the first.
        generator: draws what they show, for each node and chip.
    """
    spec = port.spec
    offsets = [
        difference
        * torch.randn(*spec.fleet, 1, layer.features, generator=generator, dtype=spec.dtype).to(spec.on)
        for layer in spec.layers
    ]

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        reading = port.measure(x, probe, first=first, last=last)
        states = probe.lead(spec.span(first, last), x)
        if not states:
            return reading
        second = torch.arange(states[0], device=spec.on) % 2
        taps = []
        for tap, offset in zip(reading.taps, offsets[first : last + 1], strict=True):
            taps.append(tap + second.view(-1, *(1,) * (tap.ndim - 1)).to(tap.dtype) * offset)
        return Reading(tuple(taps))

    return rewired(port, read)
