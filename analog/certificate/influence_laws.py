"""Laws of influence: examples, probes and chips of a fleet do not reach each other, and leave no trace."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..port import BadReading, Probe
from ..tree import tree_map
from .bench import BadAnswer, Bench, NotTried, Station
from .noise_laws import SIZE, compared
from .probes import KINDS, signed_probe
from .statistics import Effect, squared_size

LARGE = 0.3  # size of a probe that might reach others, or leave a trace
BATCH = 5  # examples, the middle one of which is watched


def finite_readings(bench: Bench, start: int, stop: int) -> list[Effect]:
    """Readings are finite at rest and at full scale of either sign.

    Raises:
        BadReading: one is not.
    """
    del start, stop  # once is enough
    for station in bench.stations:
        for name, level in (("rest", 0.0), ("full scale", 1.0), ("negative full scale", -1.0)):
            try:
                bench.read(station, torch.full_like(bench.rows(station, 2), level))
            except BadAnswer as error:
                raise BadReading(f"{station.name} at {name}: {error}") from None
    return []


def examples_apart(bench: Bench, start: int, stop: int) -> list[Effect]:
    """An example does not change what another one of its batch shows."""
    effects = []
    for station in bench.stations:
        watched, middle = bench.rows(station, BATCH), BATCH // 2
        signs = bench.signs("neighbors", *watched.shape)
        ways = {"zeros": 0 * watched, "ones": torch.ones_like(watched), "signs": signs}
        shown: dict[str, list[Tensor]] = {name: [] for name in ways}
        for _ in range(start, stop):
            for name, others in ways.items():
                batch = others.clone()
                batch[middle] = watched[middle]
                shown[name].append(bench.read(station, batch)[0, middle])
        without = shown.pop("zeros")
        effects += compared(bench, station, without, {f"beside {n}, not zeros": s for n, s in shown.items()})
    return effects


def probes_apart(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A probe does not change what another probe of its measurement shows."""

    def others(entry: Tensor) -> Tensor:  # (3, ...) -> the same, all but the middle one
        return torch.cat((entry[:1], 0 * entry[1:2], entry[2:]))

    def middle(reading: Tensor) -> Tensor:  # (3, 1, nodes) -> (nodes,)
        return reading[1, 0]

    return _reached(bench, stop - start, 3, others, middle, "beside probes of")


def chips_apart(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A probe of one chip of a fleet does not change what another shows.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    chips = bench.chips
    if chips < 2:
        raise NotTried("there is one chip")

    def first(entry: Tensor) -> Tensor:  # (1, chips, ...) -> the same, the first chip alone
        return torch.cat((entry[:, :1], 0 * entry[:, 1:]), 1)

    def rest(reading: Tensor) -> Tensor:  # (1, 1, nodes of all) -> (nodes of the others,)
        return reading[0, 0].unflatten(-1, (chips, -1))[1:].flatten()

    return _reached(bench, stop - start, 1, first, rest, "beside a chip with a probe of")


def trace(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A probe leaves no trace in later readings.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    effects, refused = [], NotTried("")
    for station in bench.stations:
        for kind in KINDS:
            probe = signed_probe(bench, station, kind, LARGE, 2)
            nothing = tree_map(torch.zeros_like, probe)
            try:
                before, after, later = _blocks(bench, station, stop - start, (None, probe, nothing))
            except NotTried as error:
                refused = error
                continue
            left = (2 * after - before - later) / 2  # what drift did, it did before and after alike
            label = f"{station.name}, after probes of {kind}"
            effects.append(squared_size(label, left, bench.scale(station), SIZE))
    if not effects:
        raise refused
    return effects


def _reached(
    bench: Bench,
    n: int,
    count: int,
    spare: Callable[[Tensor], Tensor],
    watched: Callable[[Tensor], Tensor],
    words: str,
) -> list[Effect]:
    """Whether probes change what they spare.

    Args:
        n: replicates.
        count: of probes.
        spare: takes a probe's entry and makes it 0 for whoever is watched.
        watched: takes a reading and picks what that one shows.
    """
    effects, refused = [], NotTried("")
    for station in bench.stations:
        for kind in KINDS:
            probe = tree_map(spare, signed_probe(bench, station, kind, LARGE, count))
            nothing = tree_map(torch.zeros_like, probe)
            try:
                pairs = [[watched(bench.read(station, None, p)) for p in (nothing, probe)] for _ in range(n)]
            except NotTried as error:
                refused = error
                continue
            without, beside = zip(*pairs, strict=True)
            effects += compared(bench, station, without, {f"{words} {kind}": beside})
    if not effects:
        raise refused
    return effects


def _blocks(
    bench: Bench, station: Station, n: int, between: tuple[Probe | None, ...]
) -> Iterator[Tensor]:  # (n, nodes) each
    """Blocks of n readings, before each of which a probe is measured n times, or nothing is."""
    for probe in between:
        for _ in range(n if probe is not None else 0):
            bench.read(station, None, probe or Probe())
        yield torch.stack([bench.read(station)[0, 0] for _ in range(n)])
