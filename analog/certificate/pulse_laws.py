"""Laws of time and of pulses: a session is stationary, a pulse of zero writes nothing, a pulse obeys."""

import torch
from torch import Tensor

from ..port import Probe
from ..spec import Knobs
from ..streams import stream
from .bench import Bench, NotTried
from .noise_laws import SIZE
from .statistics import Effect, squared_size

DRIVE = 0.2  # of a pulse, full scale
AVERAGED = 4  # readings of which one is made before and after a pulse
ROUNDS = 24  # of pulses up and down, at most


def drift(bench: Bench, start: int, stop: int) -> list[Effect]:
    """The same reading shows the same at the end of the session as at its beginning.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    del stop  # the reference readings were taken between the laws
    if start:
        raise NotTried("there are no further reference readings")
    whole = len(bench.reference)
    count = max(1, whole // 4)  # at either end, and about the middle
    if whole < 3:
        raise NotTried("the session was too short for three reference readings")
    effects = []
    for k, readings in enumerate(zip(*bench.reference, strict=True)):
        early, middle, late = (
            torch.cat(readings[first : first + count]) for first in (0, (whole - count) // 2, whole - count)
        )
        scale = max(float(early.mean(0).square().mean().sqrt()), 1e-12)
        name = f"tap {k + len(bench.spec.layers) - len(bench.reference[0])}"
        effects.append(squared_size(f"{name}, end against beginning", late - early, scale, SIZE))
        effects.append(squared_size(f"{name}, middle against both", middle - (early + late) / 2, scale, SIZE))
    return effects


def retention(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A reading shows the same after a wait.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    if bench.wait is None:
        raise NotTried("no way to wait was given")
    n = stop - start
    before = [torch.stack([bench.read(s)[0, 0] for _ in range(n)]) for s in bench.stations]
    bench.wait(bench.seconds)
    after = [torch.stack([bench.read(s)[0, 0] for _ in range(n)]) for s in bench.stations]
    return [
        squared_size(f"{s.name}, after {bench.seconds:g} s", a - b, bench.scale(s), SIZE)
        for s, a, b in zip(bench.stations, after, before, strict=True)
    ]


def zero_pulse(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A pulse of zero, of either sign, writes nothing.

    Raises:
        NotTried: the budget allows no pulses, or the port refuses them.
    """
    if bench.budget.pulses_per_cell == 0:
        raise NotTried("the budget allows no pulses")
    n, zeros = stop - start, bench.spec.zeros()
    negative = tuple(-z for z in zeros)
    blocks: list[list[Tensor]] = []
    for acts in (0, n, 0):
        for i in range(acts):
            bench.write("pulse", negative if i % 2 else zeros)
        shown = [torch.stack([bench.read(s)[0, 0] for _ in range(n)]) for s in bench.stations]
        blocks.append(shown)
    return [
        squared_size(s.name, (2 * after - before - later) / 2, bench.scale(s), SIZE)
        for s, before, after, later in zip(bench.stations, *blocks, strict=True)
    ]


def pulse_direction(bench: Bench, start: int, stop: int) -> list[Effect]:
    """A pulse moves the response where a probe of the knobs moves it, and the pulse back moves it back.

    Raises:
        NotTried: this port does not allow it, or shows nothing to judge.
    """
    share = _share(bench)
    moved: dict[str, list[tuple[float, float]]] = {}
    for number in range(start, min(stop, ROUNDS)):
        drive = _drive(bench, share, number)
        back = tuple(-d for d in drive)
        probes = [[_probed(bench, k, drive) for _ in range(2)] for k in range(len(bench.stations))]
        before = _averages(bench)
        bench.write("pulse", drive)
        between = _averages(bench)
        bench.write("pulse", back)
        after = _averages(bench)
        for k, station in enumerate(bench.stations):
            change = (2 * between[k] - before[k] - after[k]) / 2
            one, two = probes[k]
            pair = float((change * (one + two) / 2).mean()), float((one * two).mean())
            moved.setdefault(station.name, []).append(pair)
    effects = []
    for name, rounds in moved.items():
        along, wanted = (torch.tensor(part, dtype=torch.float64) for part in zip(*rounds, strict=True))
        if float(wanted.mean()) > 3 * float(wanted.std()) / len(rounds) ** 0.5:
            effects.append(Effect(f"{name}, short of the probe", 1 - along / wanted.mean(), "above", 1.0))
    if not effects:
        raise NotTried("the probes' effect is lost in the noise; allow more pulses per cell")
    return effects


def _share(bench: Bench) -> float:
    """The share of cells to pulse, so that all rounds stay within the budget of pulses."""
    each = bench.spec.costs.step
    pulses = 1.0 if each is None else DRIVE / each
    limit = bench.budget.pulses_per_cell
    cells = sum(z.numel() for z in bench.spec.zeros())
    share = 0.5 if limit is None else min(0.5, 0.9 * limit / (2 * ROUNDS * pulses))
    if limit == 0:
        raise NotTried("the budget allows no pulses")
    if share * cells < 1:
        raise NotTried(f"the budget of pulses does not reach; a round takes {2 * pulses:.3g} on each cell")
    return share


def _drive(bench: Bench, share: float, number: int) -> Knobs:
    """A drive up or down for a random share of the cells."""
    drives = []
    for i, shape in enumerate(bench.spec.shapes):
        chosen = torch.rand(shape, generator=stream(0, "certificate", "pulsed", number, i)) < share
        sign = bench.signs(f"drive {number} {i}", *shape)
        drives.append((DRIVE * sign * chosen).to(bench.spec.on, bench.spec.dtype))
    return tuple(drives)


def _probed(bench: Bench, k: int, drive: Knobs) -> Tensor:  # (nodes,)
    """How a probe of the knobs by the drive moves what a station shows."""
    station = bench.stations[k]
    entries = tuple(torch.stack((d, -d)) for d in drive[station.first : station.last + 1])
    x = bench.rows(station, AVERAGED)
    up, down = bench.read(station, x, Probe(knobs=entries)).mean(1)
    return (up - down) / 2


def _averages(bench: Bench) -> list[Tensor]:
    """What every station shows, (nodes,) each."""
    return [bench.read(s, bench.rows(s, AVERAGED))[0].mean(0) for s in bench.stations]
