"""A trained chip forgets along its clock; relearning in place and handing over to heirs outlast rescaling.

A chip learns in place, then time passes, from a second to a year. At every moment somebody may take care of
it: nobody does; one digital factor for each layer is estimated anew from a few reference inputs, so that
its output is again what it was when it was fresh; it relearns in place from a few labelled examples; or it
teaches a fresh chip what it answers, dies, and the heir goes on. Accuracy is measured before and after. Care
comes at the listed moments only, so that a chip must last from each to the next.

A remedy fails at the first moment at which accuracy, after care, is more than 2 points below the fresh
chip's.

Published beside ours: Joshi et al., Nature Communications 11 (2020), keep networks on phase-change memory
within about 1 % of their first accuracy for a day by one factor for each layer; other tasks, larger networks.

Open questions: what the best rhythm of care is, in joules; beyond the measured times the devices' laws are
extrapolated (see their files).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final, Literal, NamedTuple, get_args

from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import PCM, SONOS, CapacitorCell, Chip, CMOHfOxRRAM, Port, Probe, Reading, stream
from distill import distill
from learners import Batch, CrossEntropy, Learner, Loss, adam, decayed, fit

from .data import Dataset, batches, load
from .practice import (
    AnyDevice,
    Scale,
    accuracy,
    by_nodes,
    device_words,
    lived,
    network,
    right,
    scale,
    short_words,
    sparing,
)
from .study import Row

Remedy = Literal["nothing", "rescaling", "relearning", "heir"]
FAILED = 0.02  # below the fresh chip's accuracy
MOMENTS: Final = (1.0, 3.0, 10.0, 60.0, 3600.0, 86_400.0, 604_800.0, 2.63e6, 3.156e7)  # s, to a year


@dataclass(frozen=True)
class Args:
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder of IDX files
    devices: tuple[AnyDevice, ...] = (PCM(), CMOHfOxRRAM(), SONOS(), CapacitorCell())  # each, by every remedy
    remedies: tuple[Remedy, ...] = get_args(Remedy)  # who takes care of a chip, and how
    moments: tuple[float, ...] = MOMENTS  # s since it had learnt, rising
    chips: int = 3  # identities, each a trial of its own
    examples: int = 100  # labelled ones to relearn from, or references to rescale by
    epochs: float | None = None  # of the chip; by default 90, or 15 on large data; heirs take a third of it
    seed: int = 0  # of data order, probes and nature's dice


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = PCM()
    remedy: Remedy = "nothing"
    chip: int = 0

    @property
    def name(self) -> str:
        return f"{device_words(self.device)}, {self.remedy}, chip {self.chip}"

    def rng(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "aging", self.chip, *path)  # every device and remedy sees the same


def plan(args: Args) -> list[Trial]:
    if list(args.moments) != sorted({*args.moments}) or not args.moments or args.moments[0] <= 0:
        raise ValueError(f"aging: moments are above 0 and rise, got {args.moments}")
    return [Trial(args, d, r, c) for d in args.devices for r in args.remedies for c in range(args.chips)]


class Life(NamedTuple):
    """Who is in use now, and how it is asked."""

    chip: Chip[Any]
    began: float  # s, what its clock showed at time zero
    factors: tuple[float, ...] | None = None  # one for each layer, applied digitally

    @property
    def now(self) -> float:
        return self.chip.clock - self.began

    @property
    def port(self) -> Port:
        port = self.chip.port()
        return port if self.factors is None else rescaled(port, self.factors)


class Scene(NamedTuple):
    """What all moments share."""

    trial: Trial
    data: Dataset
    size: Scale
    few: Batch  # labelled examples
    fresh: tuple[Tensor, ...]  # what every layer said to them when the chip was fresh


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load(trial.args.data)
    size = scale(data, epochs=args.epochs)
    chip = Chip(trial.device, network(data, size.hidden), trial.chip, dice=args.seed)
    lessons = batches(data.train, size.batch, size.epochs, trial.rng("data"))
    learning = fit(
        by_nodes(size.probes, sparing(data, size))(CrossEntropy()), chip.port(), lessons, trial.rng()
    )
    died = lived(learning)
    if died:
        raise ValueError(f"aging: {died}; it did not live to be aged")
    (few,) = batches(data.train, args.examples, 1e-9, trial.rng("few"))
    scene = Scene(trial, data, size, few, chip.port().measure(few.x).taps)
    life = Life(chip, chip.clock)
    yield _row(trial, 0.0, life, data, None)
    for k, moment in enumerate(args.moments):
        life.chip.wait(max(0.0, moment - life.now))
        before = float(accuracy(life.port, data.test))
        life = CARE[trial.remedy](scene, life, k)
        row = _row(trial, moment, life, data, before)
        yield {**row, "done": round((k + 1) / len(args.moments), 4)}


def _row(trial: Trial, moment: float, life: Life, data: Dataset, before: float | None) -> Row:
    after = round(float(accuracy(life.port, data.test)), 6)
    about = {"device": device_words(trial.device), "remedy": trial.remedy, "chip": trial.chip}
    return {
        **about,
        "seconds": moment,
        "before": after if before is None else round(before, 6),
        "after": after,
    }


def rescaled(port: Port, factors: Sequence[float]) -> Port:
    """The same wires, every layer's output multiplied by its factor before it goes on; for whole readings."""

    def measure(x: Tensor, probe: Probe = Probe(), *, first: int = 0, last: int | None = None) -> Reading:
        if probe != Probe() or first or last is not None:
            raise ValueError("rescaled: reads the whole chip, without probes")
        taps = []
        for i, factor in enumerate(factors):
            x = factor * port.measure(x, first=i, last=i).out
            taps.append(x)
        return Reading(tuple(taps))

    return port._replace(measure=measure)


def _left(scene: Scene, life: Life, k: int) -> Life:
    del scene, k  # nobody comes
    return life


def _rescale(scene: Scene, life: Life, k: int) -> Life:
    """One factor after another, each the best in least squares given those before it."""
    del k
    x, port, factors = scene.few.x, life.chip.port(), []
    for i, fresh in enumerate(scene.fresh):
        now = port.measure(x, first=i, last=i).out
        factors.append(float((now * fresh).sum() / now.square().sum().clamp(min=1e-30)))
        x = factors[-1] * now
    return life._replace(factors=tuple(factors))


STEPS = 50  # of a round of relearning
RATE = 1e-3  # of the first round; both chosen on held-out training data, after a year
ROUNDS = 5  # at most, each at twice the rate of the one before


def _relearn(scene: Scene, life: Life, k: int) -> Life:
    """In place, from a few labelled examples, gently first, until they are answered as when it was fresh."""
    port, wanted = life.chip.port(), scene.few.target
    known = right(scene.fresh[-1].argmax(-1), wanted)
    for r in range(ROUNDS):
        if r and right(port.measure(scene.few.x).out.argmax(-1), wanted) >= known:
            break
        update = decayed(adam(RATE * 2**r), STEPS)
        learner = by_nodes(scene.size.probes, update)(CrossEntropy())
        for _ in fit(learner, port, [scene.few] * STEPS, scene.trial.rng("relearning", k, r)):
            pass
    return life


def _hand_over(scene: Scene, life: Life, k: int) -> Life:
    """A fresh chip learns what this one answers; then this one dies."""
    size = scene.size._replace(epochs=scene.size.epochs / 3)
    who = 1_000_000 * (scene.trial.chip + 1) + k
    heir = Chip(life.chip.device, life.chip.spec.layers, who, dice=scene.trial.args.seed)

    def learner(loss: Loss) -> Learner[Any]:
        return by_nodes(size.probes, sparing(scene.data, size))(loss)

    stimuli = (
        Batch(b.x) for b in batches(scene.data.train, size.batch, size.epochs, scene.trial.rng("stimuli", k))
    )
    rng, began = scene.trial.rng("heir", k), -life.now
    for _ in distill(life.chip.port(), heir.port(), learner, stimuli, temperature=4.0, rng=rng):
        pass
    life.chip.die()
    return Life(heir, began)


CARE: Final[dict[Remedy, Callable[[Scene, Life, int], Life]]] = {
    "nothing": _left,
    "rescaling": _rescale,
    "relearning": _relearn,
    "heir": _hand_over,
}


def table(rows: Sequence[Row]) -> list[Row]:
    made = []
    for device, remedy in dict.fromkeys((r["device"], r["remedy"]) for r in rows):
        mean = _course([r for r in rows if (r["device"], r["remedy"]) == (device, remedy)], "after")
        lost = [s for s, share in mean.items() if share < mean[0.0] - FAILED]
        line = {"device": short_words(device), "care": remedy}
        line |= {words(s): f"{100 * share:.1f}" for s, share in mean.items()}
        made.append({**line, "fails at": words(lost[0]) if lost else "not yet"})
    return made


def _course(rows: Sequence[Row], key: str) -> dict[float, float]:
    """Mean over chips at every moment."""
    return {s: fmean(r[key] for r in rows if r["seconds"] == s) for s in sorted({r["seconds"] for r in rows})}


def words(seconds: float) -> str:
    """A time in the largest unit of which there is at least one."""
    units = {"year": 3.15e7, "month": 2.6e6, "week": 604_800.0, "day": 86_400.0, "h": 3600.0, "min": 60.0}
    for unit, length in units.items():
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds else "fresh"


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    devices = list(dict.fromkeys(r["device"] for r in rows))
    figure = Figure(figsize=(4 * len(devices), 3.6), layout="constrained")
    axes = figure.subplots(1, len(devices), sharey=True, squeeze=False)[0]
    colours = dict(zip(get_args(Remedy), ("tab:gray", "tab:orange", "tab:blue", "tab:green"), strict=True))
    for axis, device in zip(axes, devices, strict=True):
        for remedy in dict.fromkeys(r["remedy"] for r in rows if r["device"] == device):
            chosen = [r for r in rows if (r["device"], r["remedy"]) == (device, remedy)]
            before, after = _course(chosen, "before"), _course(chosen, "after")
            times = [s for s in after if s > 0]
            line = [(s, 100 * course[s]) for s in times for course in (before, after)]
            axis.plot(*zip(*line, strict=True), color=colours[remedy], label=remedy, lw=1.2)
            axis.plot(times, [100 * after[s] for s in times], "o", color=colours[remedy], ms=3)
        axis.set(title=short_words(device), xlabel="time since it learnt, s", xscale="log", ylim=(0, 100))
        axis.grid(alpha=0.3)
    axes[0].set(ylabel="test accuracy %")
    axes[0].legend()
    path = folder / "aging.png"
    figure.savefig(path, dpi=130)
    return [path]
