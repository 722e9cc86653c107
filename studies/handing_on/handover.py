"""A dying teacher's few last reads hand on what it knows, if each is a new stimulus, heard at full voice.

A teacher learns in place, then fades for a while; it has a budget of reads left, and goes on fading while it
is read. What it said is recorded; then it dies, and fresh chips study the recording, all for as many steps.
`planner` is the plan of `distill.read_budget`: a pilot tells noise and size of the answers, by which it
chooses stimuli, reads and temperature. Beside it: as many reads of each as would suit heirs that interpolate
their lessons; and without a pilot, at a fixed temperature of the answers, the plain plan, every read a new
stimulus, once, at T 4 as heirs answer, at T 1 and at T 0.25, which an oracle might have chosen for a teacher
that has faded to a fifth; and at T 4 an eighth of the stimuli, each read eight times. `lost` is the share of
test images that heirs answer otherwise than the teacher did, without its noise, before it was read;
`forecast` is what the planner expected of that from its pilot.

The planner is worth its pilot only where it beats the plain plan at the best of its three temperatures: the
table has what it is above those at T 1 and T 0.25, in points, paired by teacher. For a teacher that has
faded to guessing the forecast is too dark, as the noise of the pilot itself counts as loss there.

Published beside ours: none found.

Open questions: whether stimuli chosen by what heirs do not know yet would save reads; whether repeats ever
pay where noise drowns the answers; more teachers.
"""

import math
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Budget, Chip, Ledger, OverBudget, Port, Probe, Reading, budgeted, stream, xray
from analog.devices import CapacitorCell
from analog.port import rewired
from distill import (
    DistillationLoss,
    SoftLabels,
    averaged,
    collect_until_death,
    forecast_loss,
    lessons,
    plan_reads,
    planned_lessons,
    record,
    run_pilot,
)
from distill.read_budget import CHUNK, STUDENT_TEMPERATURE, repeats_if_interpolating
from learners import Batch, CrossEntropy, evaluate, fit
from learners.data import Dataset, batches, count_steps, load_data

from ..kit.data.per_chip_batches import per_chip_batches
from ..kit.metrics.accuracy import predicted_classes, share_right
from ..kit.recipes.published_learner import accumulating_adam, learned_feedback
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import run_until_death
from ..kit.report.figures import GRAY, INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import mean_of, percent, percent_with_interval, points_between
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, NonNegative, Positive, Range
from ..kit.run.study import Row

Method = Literal[
    "planner", "planner, interpolating", "plain, T 4", "few, 8 times, T 4", "plain, T 1", "plain, T 0.25"
]
OFTEN: Final = 8
FLEETS: Final[tuple[tuple[Method, ...], ...]] = (  # whose heirs are taught side by side
    ("planner", "planner, interpolating", "plain, T 4", "few, 8 times, T 4"),
    ("plain, T 1", "plain, T 0.25"),
)
FIXED: Final[dict[Method, tuple[float, int]]] = {  # temperature, and reads of each stimulus
    "plain, T 4": (STUDENT_TEMPERATURE, 1),
    "few, 8 times, T 4": (STUDENT_TEMPERATURE, OFTEN),
    "plain, T 1": (1.0, 1),
    "plain, T 0.25": (0.25, 1),
}


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = CapacitorCell()  # package.module:Class or package.module:Class(word=value)
    # s that a teacher fades before it is read; each a trial
    ages: tuple[NonNegative, ...] = (0.0, 1.0, 1.5, 3.0)
    pause: NonNegative = 2e-4  # s that pass with every read beside what the spec says
    # reads that are left
    budgets: tuple[Annotated[int, Range(2)], ...] = (20, 40, 80, 160, 320, 640, 1280, 2560)
    teachers: Count = 5  # each a trial
    heirs: Count = 2  # of every teacher, for every method and budget
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    # of teachers; heirs take as many steps; by default 45, or 15 on large data
    epochs: Positive | None = None


TOY = Args(ages=(0.0,), budgets=(8, 90), teachers=1, heirs=1, epochs=0.3, hidden=8)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    age: float = 0.0
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"{self.age:g} s old, teacher {self.teacher}"

    @property
    def identity(self) -> int:
        return self.args.first_identity(self.args.teachers + 1) + self.teacher

    @property
    def first_heir(self) -> int:
        return self.args.first_identity(self.args.teachers + 1) + 1_000_000 * (self.teacher + 1)

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "handover", self.teacher, *path)  # at every age the same teacher


def plan(args: Args) -> list[Trial]:
    return [Trial(args, a, i) for a in args.ages for i in range(args.teachers)]


class _Recording(NamedTuple):
    """What a teacher said within one budget, spent by one method."""

    method: Method
    budget: int  # reads
    lessons: Batch
    about: Row


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden, epochs=args.epochs)
    teacher = _trained_teacher(trial, data, size)
    teacher_classes = xray.respond(teacher, data.test.x).out.argmax(-1)
    about: Row = {"age": trial.age, "teacher": trial.teacher}
    score = float(evaluate(copy(teacher).port(), data.test))
    yield {"what": "teacher", **about, "accuracy": round(score, 6), "done": 0.2}
    fleets = [[_record(trial, data, teacher, m, b) for m in fleet for b in args.budgets] for fleet in FLEETS]
    teacher.die()
    first = trial.first_heir
    for recordings in fleets:
        heirs = _study(trial, data, size, recordings, first)
        first += len(recordings) * args.heirs
        classes = predicted_classes(heirs, data.test.x).unflatten(0, (len(recordings), args.heirs))
        yield from _rows(about, recordings, classes, teacher_classes, data)
    yield {"what": "end", **about, "done": 1.0}


def _rows(
    about: Row, recordings: Sequence[_Recording], classes: Tensor, teacher_classes: Tensor, data: Dataset
) -> Iterator[Row]:
    """How well the heirs of each recording answer, and how much of what their teacher answered is lost."""
    for recording, predicted in zip(recordings, classes, strict=True):
        yield {
            "what": "heirs",
            **about,
            "method": recording.method,
            "budget": recording.budget,
            "accuracy": round(float(share_right(predicted, data.test.target).mean()), 6),
            "lost": round(1 - float(share_right(predicted, teacher_classes).mean()), 6),
            **recording.about,
        }


def _trained_teacher(trial: Trial, data: Dataset, size: TrainingSize) -> Chip:
    """A teacher that has learned from labels, in place, and has faded since."""
    teacher = Chip(trial.args.device, network(data, size.hidden), trial.identity, noise_seed=trial.args.seed)
    learner = learned_feedback(size.probes, accumulating_adam(data, size))(CrossEntropy())
    examples = batches(data.train, size.batch, size.epochs, trial.generator("teacher", "data"))
    died = run_until_death(fit(learner, teacher.port(), examples, trial.generator("teacher", "probes")))
    if died:
        raise ValueError(f"handover: {died}; it did not live to teach")
    teacher.wait(trial.age)
    return teacher


def slowed(port: Port, chip: Chip, pause: float) -> Port:
    """Let a while pass on the clock of a chip with every read of an example through its port."""

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        reading = port.measure(x, probe, first=first, last=last)
        chip.wait(pause * chip.spec.vectors(reading.out))
        return reading

    return rewired(port, read)


def _record(trial: Trial, data: Dataset, teacher: Chip, method: Method, reads: int) -> _Recording:
    """Record what a copy of the teacher as it is now says within its budget."""
    mortal, ledger = copy(teacher), Ledger(teacher.spec)
    port = budgeted(slowed(mortal.port(), mortal, trial.args.pause), ledger, Budget(reads=reads))
    generator = trial.generator("chosen", reads)
    if method in ("planner", "planner, interpolating"):
        answered, about = _planned_lessons(port, data.train.x, reads, generator, method)
    else:
        answered, about = _fixed_lessons(port, data.train.x, reads, generator, method), Row()
    recording = record(collect_until_death(answered, OverBudget))
    return _Recording(
        method, reads, recording, {**about, "lessons": len(recording.x), "reads": ledger.reads[0]}
    )


def _planned_lessons(
    port: Port, pool: Tensor, reads: int, generator: Generator, method: Method
) -> tuple[Iterator[Batch], Row]:
    """The lessons of a plan that a pilot allows, and what the pilot tells."""
    pilot = run_pilot(port, pool, reads, generator)
    each = repeats_if_interpolating(pilot) if method == "planner, interpolating" else 1
    plan = plan_reads(pilot, len(pool), reads, generator, each=each)
    distinct = len(pilot.x) + int((plan.counts > 0).sum())
    (forecast,) = forecast_loss(pilot, [distinct], generator)
    about = {"temperature": plan.temperature, "noise": pilot.noise_power, "signal": pilot.signal_power}
    if not math.isnan(forecast.error):  # a pilot may be too small for a forecast
        about |= {"forecast": forecast.lost, "error": forecast.error}
    rounded = {word: float(f"{value:.4g}") for word, value in about.items()}
    return planned_lessons(port, pool, pilot, plan), rounded


def _fixed_lessons(
    port: Port, pool: Tensor, reads: int, generator: Generator, method: Method
) -> Iterator[Batch]:
    """Lessons at a fixed temperature without a pilot, each stimulus read as often."""
    temperature, often = FIXED[method]
    distinct = min(len(pool), max(1, reads // often))
    indices = torch.randperm(len(pool), generator=generator)[:distinct]
    stimuli = (Batch(x) for x in pool[indices].split(CHUNK))
    return lessons(averaged(port, often), stimuli, SoftLabels(temperature))


def _study(
    trial: Trial, data: Dataset, size: TrainingSize, recordings: Sequence[_Recording], first: int
) -> Port:
    """Fresh chips, from identity `first` on, study one recording each for as many steps, as one fleet."""
    args = trial.args
    of_heirs = [recording.lessons for recording in recordings for _ in range(args.heirs)]
    who = range(first, first + len(of_heirs))
    heirs = Chip(args.device, network(data, size.hidden), who, noise_seed=args.seed + 1).port()
    learner = learned_feedback(size.probes, accumulating_adam(data, size))(
        DistillationLoss(STUDENT_TEMPERATURE)
    )
    steps = count_steps(data.train, size.batch, size.epochs)
    studied = per_chip_batches(of_heirs, size.batch, steps, trial.generator("heirs", "data"))
    for _ in fit(learner, heirs, studied, trial.generator("heirs")):
        pass
    return heirs


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for age in dict.fromkeys(r["age"] for r in rows):
        of_age = [r for r in rows if r["age"] == age]
        teachers = [r["accuracy"] for r in of_age if r["what"] == "teacher"]
        for budget in dict.fromkeys(r["budget"] for r in of_age if r["what"] == "heirs"):
            of_budget = [r for r in of_age if r["what"] == "heirs" and r["budget"] == budget]
            line = {"age s": age, "teachers": len(teachers), "teacher %": percent_with_interval(teachers, 1)}
            line["reads"] = budget
            right = {m: [r["accuracy"] for r in of_budget if r["method"] == m] for m in get_args(Method)}
            line |= {f"{method} %": percent_with_interval(right[method], 1) for method in get_args(Method)}
            for plain in ("T 1", "T 0.25"):
                line[f"planner less {plain}"] = points_between(right["planner"], right[f"plain, {plain}"], 1)
            line["T"] = f"{_mean(of_budget, 'planner', 'temperature') or 0:.2g}"
            line["lessons"] = f"{_mean(of_budget, 'planner', 'lessons') or 0:.0f}"
            line["lost %"] = percent(_mean(of_budget, "planner", "lost"), 1)
            line["forecast %"] = percent(_mean(of_budget, "planner", "forecast"), 1)
            line["give or take"] = percent(_mean(of_budget, "planner", "error"), 1)
            lines.append(line)
    return lines


def _mean(rows: Sequence[Row], method: str, key: str) -> float | None:
    return mean_of([r for r in rows if r["method"] == method], key)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    ages = list(dict.fromkeys(r["age"] for r in rows))
    figure, axes = panels(len(ages), 2)
    look = looks(get_args(Method))
    above, below = axes[: max(1, len(ages))], axes[max(1, len(ages)) :]
    for upper, lower, age in zip(above, below, ages, strict=False):
        of_age = [r for r in rows if r["age"] == age and r["what"] == "heirs"]
        teachers = [r["accuracy"] for r in rows if r["age"] == age and r["what"] == "teacher"]
        for method in get_args(Method):
            course(upper, _values(of_age, method, "accuracy"), label=method, **look[method])
        if teachers:
            upper.axhline(100 * fmean(teachers), color=GRAY, lw=0.8, ls="--", label="teacher")
        course(lower, _values(of_age, "planner", "lost"), label="answers lost: measured", **look["planner"])
        budgets, error = _course(of_age, "planner", "error")
        predicted = _course(of_age, "planner", "forecast")[1]
        if budgets:
            style: dict[str, Any] = {"fmt": "x", "color": "black", "label": "answers lost: forecast"}
            lower.errorbar(budgets, predicted, error, capsize=2, **style)
        upper.set(title=f"read after {age:g} s", xscale="log")
        lower.set(xscale="log", ylim=(0, 100))
    for upper, lower in zip(above, below, strict=True):
        upper.set(xlabel="reads left", ylabel="heirs, test accuracy, %")
        lower.set(xlabel="reads left", ylabel="planner: answers lost, %")
    legend(figure)
    note(figure, f"mean of {len({r['teacher'] for r in rows})} teachers and their heirs; bands: {INTERVAL}")
    return {"handover": figure}


def _values(rows: Sequence[Row], method: str, key: str) -> dict[float, list[float]]:
    """What is known by budget, in percent."""
    known = [r for r in rows if r["method"] == method and r.get(key) is not None]
    return {
        b: [100 * r[key] for r in known if r["budget"] == b]
        for b in dict.fromkeys(r["budget"] for r in known)
    }


def _course(rows: Sequence[Row], method: str, key: str) -> tuple[list[int], list[float]]:
    """Budgets of which something is known, and the mean in percent."""
    budgets = dict.fromkeys(r["budget"] for r in rows)
    mean = {b: _mean([r for r in rows if r["budget"] == b], method, key) for b in budgets}
    known = {b: 100 * value for b, value in mean.items() if value is not None}
    return list(known), list(known.values())
