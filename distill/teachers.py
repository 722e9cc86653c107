"""Teachers of more than one reading: ports whose answer is a mean, each reading charged."""

from dataclasses import replace

import torch

from analog.port import Dead, Port, Probe, Reading, make_port, require_port, rewired
from analog.spec import Knobs

from .formats.answer_format import check_integer


def averaged(port: Port, reads: int) -> Port:
    """Make every measurement of a port so many times and average it: noise falls, charges rise.

    Its datasheet says so (`Spec.repeats`): a ledger of these wires, and the reads that `train` and `distill`
    return, count every reading.

    Raises:
        TypeError: if it is no port.
        ValueError: if reads is not an integer of at least 1.
    """
    require_port(port, "averaged")
    check_integer("averaged: reads", reads)
    spec = replace(port.spec, repeats=port.spec.repeats * reads)

    def read(x: torch.Tensor, probe: Probe, first: int, last: int) -> Reading:
        total = port.measure(x, probe, first=first, last=last).taps
        for _ in range(reads - 1):
            again = port.measure(x, probe, first=first, last=last).taps
            total = tuple(t + a for t, a in zip(total, again, strict=True))
        return Reading(tuple(t / reads for t in total))

    return rewired(port._replace(spec=spec), read)


def ensemble(*ports: Port) -> Port:
    """Average the outputs of all living chips behind some ports, fleets included, as one teacher.

    The mean of outputs is, up to a constant, the geometric mean of the members' probabilities at any
    temperature (Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531, section 1). A member that
    dies drops out.

    Returns:
        A port that can be read, one tap (batch, outputs), and not written.

    Raises:
        ValueError: no member, or members that answer in different classes.
        Dead: when measured after the last member has died.
    """
    classes = {port.spec.layers[-1].features for port in ports}
    if len(classes) != 1:
        raise ValueError(f"ensemble: wanted teachers of the same classes, got outputs {sorted(classes)}")

    spec = replace(ports[0].spec, fleet=())

    def read(x: torch.Tensor, probe: Probe, first: int, last: int) -> Reading:
        top = None if last == len(ports[0].spec.layers) - 1 else last  # members may differ in depth
        outputs, deaths, lead = [], [], probe.lead(spec, x)
        for port in ports:
            sent = x if x.ndim == 2 else _to_each(x, port.spec.fleet)
            try:
                out = port.measure(sent, probe, first=first, last=top).out
            except Dead as death:
                deaths.append(death)
                continue
            outputs.append(out.reshape(*lead, -1, *out.shape[-2:]))
        if not outputs:
            raise Dead(f"ensemble: all teachers are dead; the last: {deaths[-1]}")
        return Reading((torch.cat(outputs, -3).mean(-3),))

    def refuse(knobs: Knobs) -> None:
        del knobs
        raise ValueError("ensemble: it is read, not written; write to its members")

    return make_port(spec, refuse, refuse, read)


def _to_each(x: torch.Tensor, fleet: tuple[int, ...]) -> torch.Tensor:
    """The same input for each chip of a fleet: (*probes, batch, features) to (*probes, *fleet, ...)."""
    lead, example = x.shape[:-2], x.shape[-2:]
    return x.reshape(*lead, *(1 for _ in fleet), *example).expand(*lead, *fleet, *example)
