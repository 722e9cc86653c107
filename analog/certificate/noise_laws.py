"""Laws of reading noise: it is drawn anew for every example, probe, chip and call; nodes may share it."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from .bench import ROWS, Bench, NotTried, Station
from .probes import zero_probes
from .statistics import Effect, Kind, is_noise, lags, noise_of, squared_size, variances

CORRELATION = 0.2  # tolerated between readings that should be independent
BIAS = 2.0  # times one cell's share of a node's noise, tolerated besides: all examples drive the bias alike
AGAINST = 0.4  # of the noise of half a batch, tolerated with its sign turned in the other half
SIZE = 0.05  # tolerated change of a mean reading, in its root mean square over nodes
VARIANCE = 0.25  # tolerated relative difference of variances, (a - b) / (a + b)
PROBES = 5
SIZES = (3, 12)  # batch sizes that are compared with single examples


def noisy(bench: Bench, start: int, stop: int) -> Iterator[tuple[Station, Tensor]]:
    """The stations that show noise, and the noise of repeated readings (replicates, ROWS, nodes)."""
    for station in bench.stations:
        noise = noise_of(bench.repeats(station, start, stop))
        if is_noise(noise, bench.scale(station)):
            yield station, noise


def noise_of_examples(bench: Bench, start: int, stop: int) -> list[Effect]:
    """Examples of one batch have independent noise, but for that of cells which they both drive.

    Every example drives all inputs with random signs, drawn anew for every two readings, so that what two
    examples hear of one cell's noise has no mean product; the bias drives its cells alike for all. Behind a
    hidden layer inputs are alike anyhow, so that there noise in common breaks nothing.
    """
    effects: list[Effect] = []
    for station in bench.stations:
        width = bench.spec.layers[station.first].features_in
        noise = torch.stack(
            [
                bench.read(station, x)[0] - bench.read(station, x)[0]
                for k in range(start // 2, stop // 2)
                for x in [bench.signs(f"examples {station.first} {k}", ROWS, width)]
            ]
        ) / math.sqrt(2)
        if not is_noise(noise, bench.scale(station)):
            continue
        name = f"{station.name}, examples"
        kind: Kind = "either" if station.alone else "seen"
        tolerance = CORRELATION + BIAS / bench.spec.layers[station.first].cols
        effects += lags(name, noise, range(1, ROWS), tolerance, kind)
        if station.alone:
            one, other = noise.unflatten(1, (2, -1)).sum(2).unbind(1)
            against = -(one * other).mean(1) / (ROWS // 2 * float(noise.square().mean()))
            label = f"{name}, half of them against the other half"
            effects.append(Effect(label, against, "above", AGAINST, symmetric=True))
    return effects


def noise_of_chips(bench: Bench, start: int, stop: int) -> list[Effect]:
    """Chips of a fleet have independent noise.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    if bench.chips < 2:
        raise NotTried("there is one chip")
    return [
        effect
        for station, noise in noisy(bench, start, stop)
        for effect in lags(
            f"{station.name}, chips",
            noise.unflatten(-1, (bench.chips, -1)).movedim(-2, 1),
            range(1, min(bench.chips, 4)),
            CORRELATION,
        )
    ]


def noise_of_calls(bench: Bench, start: int, stop: int) -> list[Effect]:
    """Readings of one call do not repeat those of another, and their noise is independent."""
    effects = []
    for station in bench.stations:
        calls = bench.repeats(station, start, stop)  # (n, ROWS, nodes)
        offset = calls - calls.mean(1, keepdim=True)
        if not is_noise(offset, bench.scale(station)):
            continue
        again = (calls[1:] == calls[:-1]).double().mean((1, 2))
        within = (calls[:-1, 1:] == calls[:-1, :-1]).double().mean((1, 2))
        effects.append(Effect(f"{station.name}, repeated bitwise", again - within, "above", CORRELATION))
        a, b, c, d = ((calls - calls.mean(0)).unflatten(0, (-1, 4))).unbind(1)
        noise = noise_of(calls)
        if is_noise(noise, bench.scale(station)):
            variance = float(noise.square().mean())
            for name, other in (("next but one", c), ("third next", d)):
                products = (a * (b - other)).mean((1, 2)) / variance
                label = f"{station.name}, next call against {name}"
                effects.append(Effect(label, products, "either", CORRELATION))
    return effects


def position(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A reading does not depend on its position in the batch."""
    effects = []
    for station in bench.stations:
        calls, scale = bench.repeats(station, start, stop), bench.scale(station)
        offset = calls - calls.mean(1, keepdim=True)
        effects.append(squared_size(f"{station.name}, mean reading", offset, scale, SIZE))
        noise, half = noise_of(calls), ROWS // 2
        if is_noise(noise, scale):
            parts = (noise[:, :half], noise[:, half:]), (noise[:, ::2], noise[:, 1::2])
            effects += [variances(f"{station.name}, noise", *pair, VARIANCE) for pair in parts]
    return effects


def batch_size(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A reading does not depend on the size of its batch."""
    effects = []
    for station in bench.stations:
        counts = (1, *SIZES)
        shown: dict[int, list[Tensor]] = {count: [] for count in counts}
        for _ in range(start, stop):
            for count in counts:
                shown[count].append(bench.read(station, bench.rows(station, count))[0, 0])
        effects += compared(bench, station, shown[1], {f"a batch of {c}": shown[c] for c in SIZES})
    return effects


def noise_of_probes(bench: Bench, start: int, stop: int) -> list[Effect]:
    """Probes of one measurement have independent noise.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    effects, refused, read = [], NotTried(""), False
    for station in bench.stations:
        for name, x, probe in zero_probes(bench, station, PROBES):
            try:
                calls = torch.stack([bench.read(station, x, probe) for _ in range(start, stop)])
            except NotTried as error:
                refused = error
                continue
            read, noise = True, noise_of(calls)
            if is_noise(noise, bench.scale(station)):
                effects += lags(f"{station.name}, {name}", noise, range(1, PROBES), CORRELATION)
    if not read:
        raise refused
    return effects


def zero_probe(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A probe of zero leaves a reading as it is, however many probes there are.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    effects, refused = [], NotTried("")
    for station in bench.stations:
        shown: dict[str, list[Tensor]] = {}
        ways = [(f"{c} {name}", x, p) for c in (1, PROBES) for name, x, p in zero_probes(bench, station, c)]
        without: list[Tensor] = []
        for _ in range(start, stop):
            without.append(bench.read(station)[0, 0])
            for name, x, probe in ways:
                try:
                    shown.setdefault(name, []).append(bench.read(station, x, probe)[0, 0])
                except NotTried as error:
                    refused = error
        complete = {name: readings for name, readings in shown.items() if len(readings) == len(without)}
        effects += compared(bench, station, without, complete)
    if not effects:
        raise refused
    return effects


def compared(
    bench: Bench, station: Station, without: Sequence[Tensor], others: Mapping[str, Sequence[Tensor]]
) -> list[Effect]:
    """Whether readings, (nodes,) each, have the mean and the variance of others taken meanwhile."""
    base, scale = torch.stack(list(without)), bench.scale(station)
    effects = []
    for name, readings in others.items():
        shown = torch.stack(list(readings))
        label = f"{station.name}, {name}"
        effects.append(squared_size(f"{label}, mean reading", shown - base, scale, SIZE))
        pair = noise_of(shown), noise_of(base)
        if any(is_noise(noise, scale) for noise in pair):
            effects.append(variances(f"{label}, noise", *pair, VARIANCE))
    return effects
