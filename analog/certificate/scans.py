"""Scans: the response of every cell, read by driving one input at a time, and the noise of such readings."""

from typing import Final, NamedTuple

import torch
from torch import Tensor

from ..port import Probe
from ..spec import Knobs
from .bench import Bench, NotTried

REPEATS: Final = 4  # readings of each input in one scan
RESTS: Final = 4  # readings of no input beside them, each as often
PUSH: Final = 1.0  # V, probe that lifts hidden nodes off their threshold where probes of nodes are taken


class Scan(NamedTuple):
    """The responses of one layer's cells, and what the same inputs showed again."""

    response: Tensor  # (inputs, nodes, sites), shown beyond what no input shows
    halves: tuple[Tensor, Tensor]  # the same by either half of the repeats
    rest: Tensor  # (nodes,), shown with no input
    noise: Tensor  # (inputs, nodes, repeats * sites), of single readings around their mean


def layers_that_scan(*benches: Bench) -> tuple[int, ...]:
    """The layers that all ports can drive alone."""
    shared = set(range(len(benches[0].spec.layers)))
    for bench in benches:
        shared &= {s.first for s in bench.stations if s.first == s.last or s.alone}
    return tuple(sorted(shared))


def takes_push(bench: Bench, layer: int) -> bool:
    """Whether a port takes a probe of the nodes of a layer that it drives."""
    try:
        _measure(bench, layer, torch.zeros(1, bench.spec.layers[layer].features_in), True)
    except NotTried:
        return False
    return True


def scan(bench: Bench, layer: int, push: bool) -> Scan:
    """Read every cell of a layer, `REPEATS` times.

    Args:
        push: whether hidden nodes are lifted off their threshold meanwhile.

    Raises:
        NotTried: the port or the budget refuses it.
    """
    width = bench.spec.layers[layer].features_in
    inputs = torch.cat((torch.eye(width), torch.zeros(RESTS, width)))
    tap = _measure(bench, layer, inputs.repeat(REPEATS, 1), push and not bench.spec.layers[layer].linear)
    rows = bench.spec.layers[layer].unscatter(tap)  # (chips, tiles, REPEATS * inputs * sites, rows)
    split = rows.unflatten(2, (REPEATS, width + RESTS, -1))  # (chips, tiles, repeats, inputs, sites, rows)
    shown = split.permute(2, 3, 0, 1, 5, 4).flatten(2, 4)  # (repeats, inputs, nodes, sites)
    mean = shown.mean(0)
    noise = (shown - mean) * (REPEATS / (REPEATS - 1)) ** 0.5

    def beyond_rest(readings: Tensor) -> Tensor:  # (inputs + RESTS, nodes, sites) -> (inputs, nodes, sites)
        return readings[:width] - readings[width:].mean(0)

    halves = beyond_rest(shown[0::2].mean(0)), beyond_rest(shown[1::2].mean(0))
    rest = mean[width:].mean((0, 2))
    return Scan(beyond_rest(mean), halves, rest, noise.permute(1, 2, 0, 3).flatten(2))


def uniform_drive(bench: Bench, size: float) -> Knobs:
    """The same drive for all cells but of a sign that changes from column to column."""
    drives = []
    for shape in bench.spec.shapes:
        signs = torch.ones(shape[-1])
        signs[1::2] = -1
        drives.append((size * signs).expand(shape).to(bench.spec.on, bench.spec.dtype).contiguous())
    return tuple(drives)


def _measure(bench: Bench, layer: int, x: Tensor, push: bool) -> Tensor:  # (chips, batch, features)
    spec = bench.spec
    station = next(s for s in bench.stations if s.first <= layer <= s.last and s.tap in (layer - s.first,))
    count = station.last - station.first + 1
    entries: list[Tensor | None] = [None] * count
    if push:
        shape = (1, *spec.fleet, x.shape[0], spec.layers[layer].features)
        entries[layer - station.first] = torch.full(shape, PUSH, dtype=spec.dtype, device=spec.on)
    probe = Probe(nodes=tuple(entries)) if push else Probe()
    return bench.taps(x, probe, station.first, station.last)[station.tap][0]
