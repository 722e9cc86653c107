"""Teachers of more than one reading: wires whose answer is a mean, each reading charged."""

from dataclasses import replace

import torch

from analog.port import Dead
from analog.port import Port
from analog.port import Probe
from analog.port import Reading
from analog.port import make_port
from analog.port import rewired
from analog.spec import Knobs


def steadied(port: Port, readings: int) -> Port:
    """The same wires, every measurement made so many times and averaged: noise falls, charges rise."""
    if isinstance(readings, bool) or not isinstance(readings, int) or readings < 1:
        raise ValueError(f"steadied: readings is {readings!r}, wanted an integer of at least 1")

    def read(x: torch.Tensor, probe: Probe, first: int, last: int) -> Reading:
        total = port.measure(x, probe, first=first, last=last).taps
        for _ in range(readings - 1):
            again = port.measure(x, probe, first=first, last=last).taps
            total = tuple(t + a for t, a in zip(total, again, strict=True))
        return Reading(tuple(t / readings for t in total))

    return rewired(port, read)


def together(*ports: Port) -> Port:
    """An ensemble that answers as one teacher: outputs averaged over all its living chips, fleets included.

    The mean of outputs is, up to a constant, the geometric mean of the members' probabilities at any
    temperature (Hinton, Vinyals and Dean 2015, section 1). A member that dies drops out.

    Returns:
        Wires that can be read, one tap (batch, outputs), and not written.

    Raises:
        ValueError: no member, or members that answer in different classes.
        Dead: when measured after the last member has died.
    """
    classes = {port.spec.layers[-1].features for port in ports}
    if len(classes) != 1:
        raise ValueError(f"together: wanted teachers of the same classes, got outputs {sorted(classes)}")

    def read(x: torch.Tensor, probe: Probe, first: int, last: int) -> Reading:
        top = None if last == len(ports[0].spec.layers) - 1 else last  # members may differ in depth
        said, ends = [], []
        for port in ports:
            try:
                out = port.measure(x, probe, first=first, last=top).out
            except Dead as end:
                ends.append(end)
                continue
            said.append(out.reshape(-1, *out.shape[-2:]))
        if not said:
            raise Dead(f"together: all teachers are dead; the last: {ends[-1]}")
        return Reading((torch.cat(said).mean(0),))

    def unwritten(knobs: Knobs) -> None:
        del knobs
        raise ValueError("together: an ensemble is read, not written; write to its members")

    return make_port(replace(ports[0].spec, fleet=()), unwritten, unwritten, read)
