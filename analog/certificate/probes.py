"""Probes that certificates send: of fixed random signs, or of zero."""

from typing import Literal

import torch
from torch import Tensor

from ..port import Probe
from ..tree import tree_map
from .bench import Bench, Station

Kind = Literal["nodes", "knobs"]
KINDS: tuple[Kind, ...] = ("nodes", "knobs")


def signed_probe(bench: Bench, station: Station, kind: Kind, size: float, count: int) -> Probe:
    """Random signs at all nodes or knobs of what a station drives, the same at every call.

    Args:
        count: how many probes of one example.
    """
    span = bench.spec.span(station.first, station.last)
    if kind == "knobs":
        shapes = [(count, *shape) for shape in span.shapes]
    else:
        shapes = [(count, *span.fleet, 1, la.features) for la in span.layers]
    entries = tuple(size * bench.signs(f"{kind} {i}", *shape).to(span.on) for i, shape in enumerate(shapes))
    return Probe(knobs=entries) if kind == "knobs" else Probe(nodes=entries)


def zero_probes(bench: Bench, station: Station, count: int) -> list[tuple[str, Tensor, Probe]]:
    """Ways to send `count` probes of zero with one example: a name, x (..., 1, features_in), the probe."""
    span, x = bench.spec.span(station.first, station.last), bench.rows(station, 1)
    zeros = [tree_map(torch.zeros_like, signed_probe(bench, station, kind, 1.0, count)) for kind in KINDS]
    repeated = x.expand(count, *span.fleet, *x.shape)
    return [
        *((f"probes of {kind}", x, probe) for kind, probe in zip(KINDS, zeros, strict=True)),
        ("inputs with probe axes", repeated, Probe()),
    ]
