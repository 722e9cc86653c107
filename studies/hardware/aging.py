"""What was learnt in place lasts a year where cells drift slowly; where it leaks away, labels bring it back.

A chip learns in place, then time passes, from a second to a year. At every moment somebody may take care of
it: nobody does; one digital factor for each layer is estimated anew from a few reference inputs, so that
its output is again what it was when it was fresh; it relearns in place from a few labelled examples; or it
teaches a fresh chip what it answers, dies, and the heir goes on. Relearning and handing over cost something,
so they wait until more than 3 % of the answers to those few inputs have changed. Accuracy is measured
before and after. Care comes at the listed moments only, so that a chip must last from each to the next.

A method fails at the first moment at which accuracy, after care, is more than 2 points below the fresh
chip's.

Digits. A capacitor with a lifetime of a second is lost within seconds whatever is done but relearning, and
that comes to what a hundred labelled examples can teach. `last less fresh` is the paired difference of each
chip.

Published beside ours: Joshi et al., Nature Communications 11 (2020),
https://doi.org/10.1038/s41467-020-16108-9, keep 93.5 % and more of 93.7 % for a day on phase-change memory
(ResNet-32 on CIFAR-10), compensating by the parameters of batch normalisation: another network and other
data, weights transferred from a digital network and verified, where ours were learned in place.

Open questions: what the best rhythm of care is, in joules; beyond the measured times the devices' laws are
extrapolated (see their files).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, get_args

from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Dead, stream
from analog.devices import PCM, SONOS, CapacitorCell, CMOHfOxRRAM
from learners import CrossEntropy, evaluate, fit
from learners.data import Dataset, batches, load_data

from ..kit.recipes.maintenance import METHODS, ChipInUse, Context, Method
from ..kit.recipes.published_learner import accumulating_adam, learned_feedback
from ..kit.recipes.training_size import network, training_size
from ..kit.recipes.trainings import run_until_death
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import percent_with_interval, points_between
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row

FAILED = 0.02  # below the fresh chip's accuracy
MOMENTS: Final = (1.0, 3.0, 10.0, 60.0, 3600.0, 86_400.0, 604_800.0, 2.63e6, 3.156e7)  # s, to a year


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    devices: tuple[AnyDevice, ...] = (PCM(), CMOHfOxRRAM(), SONOS(), CapacitorCell())  # each, by every method
    methods: tuple[Method, ...] = get_args(Method)  # who takes care of a chip, and how
    moments: tuple[Positive, ...] = MOMENTS  # s since it had learnt, rising
    chips: Count = 5  # identities, each a trial of its own
    examples: Count = 100  # to watch it by, to rescale by, and with labels to relearn from
    epochs: Positive | None = None  # of the chip; and its heirs; by default 45, or 15 on large data


TOY = Args(
    devices=(SONOS(),), methods=("rescaling", "relearning"), moments=(1.0, 10000000.0), chips=1, epochs=0.3
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = PCM()
    method: Method = "nothing"
    chip: int = 0

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, {self.method}, chip {self.chip}"

    @property
    def identity(self) -> int:
        return self.args.first_identity(self.args.chips + 1) + self.chip

    @property
    def first_heir(self) -> int:
        return self.args.first_identity(self.args.chips + 1) + 1_000_000 * (self.chip + 1)

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "aging", self.chip, *path)  # every device and method sees the same


def plan(args: Args) -> list[Trial]:
    if list(args.moments) != sorted({*args.moments}):
        raise ValueError(f"aging: moments rise, got {args.moments}")
    return [Trial(args, d, r, c) for d in args.devices for r in args.methods for c in range(args.chips)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, epochs=args.epochs)
    chip = Chip(trial.device, network(data, size.hidden), trial.identity, noise_seed=args.seed)
    learner = learned_feedback(size.probes, accumulating_adam(data, size))(CrossEntropy())
    labeled = batches(data.train, size.batch, size.epochs, trial.generator("data"))
    died = run_until_death(fit(learner, chip.port(), labeled, trial.generator()))
    if died:
        raise ValueError(f"aging: {died}; it did not live to be aged")
    (few,) = batches(data.train, args.examples, 1e-9, trial.generator("few"))
    context = Context(data, size, few, trial.generator, trial.first_heir, args.seed)
    life = ChipInUse(chip, chip.clock, chip.port().measure(few.x).taps)
    yield _row(trial, 0.0, life, data, None)
    for k, moment in enumerate(args.moments):
        done = {"done": round((k + 1) / len(args.moments), 4)}
        try:
            life.chip.wait(max(0.0, moment - life.now))
            before = float(evaluate(life.port, data.test))
            life = METHODS[trial.method](context, life, k)
            yield {**_row(trial, moment, life, data, before), **done}
        except Dead as end:  # and so at all later moments; a dead chip knows nothing
            yield {**_about(trial), "seconds": moment, "before": 0.0, "after": 0.0, "died": str(end), **done}


def _about(trial: Trial) -> Row:
    return {"device": reference(trial.device), "method": trial.method, "chip": trial.identity}


def _row(trial: Trial, moment: float, life: ChipInUse, data: Dataset, before: float | None) -> Row:
    after = round(float(evaluate(life.port, data.test)), 6)
    row = {**_about(trial), "seconds": moment, "before": after, "after": after}
    if before is not None:
        row["before"] = round(before, 6)
    return {**row, "in_use": life.chip.identities[0]}


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for device, method in dict.fromkeys((r["device"], r["method"]) for r in rows):
        of_line = [r for r in rows if (r["device"], r["method"]) == (device, method)]
        mean, chips = _mean_by_time(of_line, "after"), list(dict.fromkeys(r["chip"] for r in of_line))
        after = {(r["chip"], r["seconds"]): r["after"] for r in of_line}
        failures = [s for s, share in mean.items() if share < mean[0.0] - FAILED]
        line = {"device": short_reference(device), "method": method, "chips": len(chips)}
        line |= {words(s): percent_with_interval([after[c, s] for c in chips], 1) for s in mean}
        last = [after[c, max(mean)] for c in chips]
        line["last less fresh"] = points_between(last, [after[c, 0.0] for c in chips], 1)
        lines.append({**line, "fails at": words(failures[0]) if failures else "not yet"})
    return lines


def _mean_by_time(rows: Sequence[Row], key: str) -> dict[float, float]:
    """The mean over chips at every moment."""
    return {s: fmean(r[key] for r in rows if r["seconds"] == s) for s in sorted({r["seconds"] for r in rows})}


def words(seconds: float) -> str:
    """A time in the largest unit of which there is at least one."""
    units = {"year": 3.15e7, "month": 2.6e6, "week": 604_800.0, "day": 86_400.0, "h": 3600.0, "min": 60.0}
    for unit, length in units.items():
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s" if seconds else "fresh"


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    devices = list(dict.fromkeys(r["device"] for r in rows))
    figure, axes = panels(len(devices), sharey=True)
    look = looks(get_args(Method))
    for axis, device in zip(axes, devices, strict=False):
        for number, method in enumerate(dict.fromkeys(r["method"] for r in rows if r["device"] == device)):
            treated = [r for r in rows if (r["device"], r["method"]) == (device, method) and r["seconds"] > 0]
            times = sorted({r["seconds"] for r in treated})
            aside = 1.12**number  # so that moments of several methods do not hide each other
            before, after = (
                {s * aside: [100 - 100 * r[key] for r in treated if r["seconds"] == s] for s in times}
                for key in ("before", "after")
            )
            course(axis, after, label=method, **look[method])
            falls = [fmean(values) for values in before.values()]
            hollow = {**look[method], "ls": "", "mfc": "none"}
            axis.plot([*before], falls, label=f"{method}, before care", **hollow)
        axis.set(title=short_reference(device), xscale="log", yscale="log")
    for axis in axes:
        axis.set(xlabel="time since training, s", ylabel="test error, %")
    legend(figure)
    chips = len({r["chip"] for r in rows})
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}; methods side by side at each moment")
    return {"aging": figure}
