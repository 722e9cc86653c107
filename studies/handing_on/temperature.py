"""Soft answers quiet a perturbation student's gradient; students are compared with those taught by labels.

A teacher chip learns from labels, in place. Fresh chips, an eighth of its size or as large, learn what it
answers at temperatures T, read without noise or by a loud amplifier (the same cells, another read_noise); the
same chips taught by labels are the independent control. All see the same batches and probes. `closed`: see
`distill.fidelity`. On the way of those taught by labels, at fixed knobs, the variance of the estimate by
node perturbation falls into mini-batch, answers (a noisy teacher never says the same twice), probes and
readings, in multiples of the squared mean gradient, beside what the laws say
(see `studies.kit.metrics.variance_parts`).

Where variance is measured, it is one number that T lowers: how long examples' gradients are beside their
mean. By the laws (which hold within some per cent early in the training; halfway, when losses curve, they
can be 40 % off) the parts keep their ratio. Small students of one teacher differ by ten points from chip to
chip, so that temperatures are compared on the same chips: `beside labels` is the paired difference, in
points, of pairs of a teacher and its student, and 4 pairs told nothing of students of 8 hidden neurons.
What exact gradients make of the same lessons is `--exact`.

Guess: a higher T asks for all outputs to be right, also those of classes that nobody would name, and small
chips have no room for that.

Published beside ours: Hinton, Vinyals and Dean (2015, https://arxiv.org/abs/1503.02531), MNIST: with 300
units or more in each of two layers all T above 8 did alike, with 30 units 2.5 to 4 did best (other networks,
MNIST, backprop, soft and true labels together). None for a student by perturbation.

Open questions: a temperature that falls while the student learns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, NamedTuple

from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Mismatched, Port, stream, xray
from distill import AnswerFormat, Fidelity, Likeness, SoftLabels, distillation_steps
from learners import Batch, CrossEntropy, Learner, Loss, NodePerturbation, fit
from learners.data import Dataset, batches, count_steps, load_data
from learners.evaluation import predict
from learners.recipes import PROBE_SIZE

from ..kit.metrics.likeness import likeness_row
from ..kit.metrics.variance_parts import TrueLabels, variance_parts
from ..kit.recipes.exact_gradient import ExactGradient
from ..kit.recipes.published_learner import decaying_adam, published_learner
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import train_from_labels
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import (
    fixed,
    mean_with_interval,
    percent,
    percent_with_interval,
    points_between,
)
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, NonNegative, Positive
from ..kit.run.study import Row

POPULATION = 2000  # examples that batches are drawn from where variance is measured


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware; it has a read noise and a write_noise
    temperatures: tuple[Positive, ...] = (1.0, 2.0, 4.0, 8.0, 20.0, 40.0)  # of the teacher's answers
    sizes: tuple[Positive, ...] = (0.125, 1.0)  # hidden neurons of the students, of the teacher's
    read_noises: tuple[NonNegative, ...] = (0.0, 0.5)  # V rms, of the teacher's amplifiers while it answers
    teachers: Count = 16  # each with a student of its own for every temperature
    epochs: Positive | None = None  # of teacher and students; by default 45, or 15 on large data
    moments: tuple[Positive, ...] = (0.1, 0.5)  # when variance is measured, of the training by labels
    exact: bool = False  # whether students learn by their own exact gradients, which no real hardware allows
    repeats: Count = 100  # gradient estimates that their variance is taken from


TOY = Args(
    temperatures=(4.0,), sizes=(0.125,), read_noises=(0.5,), teachers=1, epochs=0.1, moments=(0.5,), repeats=2
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    read_noise: float = 0.0
    size: float = 1.0

    @property
    def name(self) -> str:
        return f"teacher at {self.read_noise:g} V, student {self.size:g} of its size"

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "temperature", *path)  # all trials see the same


def plan(args: Args) -> list[Trial]:
    return [Trial(args, h, s) for h in args.read_noises for s in args.sizes]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, epochs=args.epochs)
    identity = args.first_identity(2)
    who = range(identity, identity + args.teachers)
    teachers = Chip(args.device, network(data, size.hidden), who, noise_seed=args.seed)
    order, probes = trial.generator("teacher", "data"), trial.generator("teacher", "probes")
    train_from_labels(teachers, data, size, order, probes)
    teacher = with_read_noise(teachers, trial.read_noise, args.seed).port()
    students, x, labels = _Students(trial, data, size), data.test.x, data.test.target
    first, again = (predict(teacher, x) for _ in range(2))
    yield _row(trial, "teacher again", Likeness.of(first, again, labels), None) | {"done": 0.1}
    control = students.fresh()
    yield from _train_control(students, control, teacher)
    control_out = predict(control.port(), x)
    of_control = Fidelity.of(first, again, control_out, control_out, labels)
    yield _row(trial, "labels", of_control.independent, of_control) | {"done": 0.2}
    for number, temperature in enumerate(args.temperatures, 1):
        out = predict(students.taught_by(teacher, temperature), x)
        fidelity = Fidelity.of(first, again, out, control_out, labels)
        done = {"done": round(0.2 + 0.8 * number / len(args.temperatures), 4)}
        yield _row(trial, _name(temperature), fidelity.student, fidelity) | done


def with_read_noise(chip: Chip, read_noise: float, noise_seed: int = 0) -> Chip:
    """The same cells behind amplifiers of another read noise, V rms.

    Raises:
        ValueError: the device has no such noise.
    """
    device: Any = chip.device
    try:
        device = replace(device, read_noise=read_noise, write_noise=0.0)
    except TypeError:
        raise ValueError(f"temperature: {device} has no read_noise and write_noise to be changed") from None
    other = Chip(device, chip.spec.layers, chip.identity, noise_seed=noise_seed)
    other.port().program(xray.knobs(chip))
    return other


class _Students(NamedTuple):
    """The students of a trial: the same chips, batches and probes, whatever they learn from."""

    trial: Trial
    data: Dataset
    size: TrainingSize

    def fresh(self) -> Chip:
        args, hidden = self.trial.args, max(1, round(self.size.hidden * self.trial.size))
        first = args.first_identity(2) + 1_000_000
        who = range(first, first + args.teachers)
        return Chip(args.device, network(self.data, hidden), who, noise_seed=args.seed + 1)

    def batches(self, data: Batch) -> Iterator[Batch]:
        return batches(data, self.size.batch, self.size.epochs, self.trial.generator("data"))

    def learner(self, chip: Chip) -> Callable[[Loss], Learner]:
        if not self.trial.args.exact:
            return published_learner(self.data, self.size)
        update = decaying_adam(self.data, self.size.batch, self.size.epochs, self.size.learning_rate)
        return lambda loss: ExactGradient(chip, update, loss)

    def taught_by(self, teacher: Port, temperature: float) -> Port:
        chip = self.fresh()
        for _ in distillation_steps(
            teacher,
            chip.port(),
            self.learner(chip),
            self.batches(self.data.train.unlabeled),
            temperature=temperature,
            generator=self.trial.generator("probes"),
        ):
            pass
        return chip.port()


def _train_control(students: _Students, chip: Chip, teacher: Port) -> Iterator[Row]:
    """Students learn from labels; on the way, the variance of what they might learn from is measured."""
    trial, train = students.trial, students.data.train
    total = count_steps(train, students.size.batch, students.size.epochs)
    pauses = {max(1, round(moment * total)): moment for moment in trial.args.moments}
    learner = students.learner(chip)(CrossEntropy())
    training = fit(learner, chip.port(), students.batches(train), trial.generator("probes"))
    for number, _ in enumerate(training, 1):
        if number in pauses:
            yield from _variances(students, chip, teacher, pauses[number])


def _variances(students: _Students, chip: Chip, teacher: Port, moment: float) -> Iterator[Row]:
    trial, train = students.trial, students.data.train
    formats: dict[str, AnswerFormat] = {"labels": TrueLabels()}
    formats |= {_name(t): SoftLabels(t) for t in trial.args.temperatures}
    parts_of = variance_parts(
        chip,
        teacher,
        Batch(train.x[:POPULATION], train.target[:POPULATION]),
        formats,
        NodePerturbation(PROBE_SIZE, students.size.probes),
        batch=students.size.batch,
        repeats=trial.args.repeats,
        generator=trial.generator("variance", f"{moment:g}"),
    )
    for format_name, parts in parts_of.items():
        values = {word: float(value.mean()) for word, value in parts._asdict().items()}
        about = {
            "what": "variance",
            "read_noise": trial.read_noise,
            "size": trial.size,
            "targets": format_name,
        }
        yield {**about, "moment": moment, **values}


def _name(temperature: float) -> str:
    return f"T {temperature:g}"


def _row(trial: Trial, targets: str, likeness: Likeness, fidelity: Fidelity | None) -> Row:
    about = {"what": "student", "read_noise": trial.read_noise, "size": trial.size, "targets": targets}
    closed = {
        "closed": fidelity and fidelity.closed,
        "closed_divergence": fidelity and fidelity.closed_divergence,
    }
    return about | likeness_row(likeness) | closed


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    students = [r for r in rows if r["what"] == "student"]
    controls = {(r["read_noise"], r["size"]): r for r in students if r["targets"] == "labels"}
    for r in students:
        control = controls.get((r["read_noise"], r["size"]))
        is_taught = control is not None and r["targets"] not in ("labels", "teacher again")
        line = {"teacher V": f"{r['read_noise']:g}", "size": f"{r['size']:g}", "taught by": r["targets"]}
        line |= {"pairs": len(r["accuracy"]), "right %": percent_with_interval(r["accuracy"])}
        beside = points_between(r["accuracy"], control["accuracy"]) if control and is_taught else ""
        line |= {"beside labels": beside, "agrees %": percent_with_interval(r["agreements"])}
        line |= {"closed %": percent(r["closed"]), "KL": mean_with_interval(r["divergences"], 3)}
        line |= {"KL closed %": percent(r["closed_divergence"]), "same mistakes %": percent(r["repeated"])}
        line |= {"off %": percent(r["calibration_error"])}
        spread = [s for s in rows if s["what"] == "variance" and all(s[k] == r[k] for k in _CASE)]
        for parts in spread[:1]:
            line |= {word: fixed(parts[word]) for word in _PARTS}
            line |= {"laws": fixed(sum(parts[f"predicted_{word}"] for word in _PARTS))}
        lines.append(line | {f"total at {s['moment']:g}": fixed(s["total"]) for s in spread})
    return lines


_CASE = ("read_noise", "size", "targets")
_PARTS = ("minibatch", "answers", "probes", "readings")


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, axes = panels(3)
    what = (
        "test error of students, %",
        "KL(teacher || student), nats",
        "variance of the gradient / its square",
    )
    for axis, words in zip(axes, what, strict=True):
        axis.set(xscale="log", yscale="log", xlabel="temperature (dotted: labels)", ylabel=words)
    for case, look in looks((r["read_noise"], r["size"]) for r in rows).items():
        of_case = [r for r in rows if (r["read_noise"], r["size"]) == case]
        students = {r["targets"]: r for r in of_case if r["what"] == "student"}
        spread = [r for r in of_case if r["what"] == "variance"]
        totals = {r["targets"]: [r["total"]] for r in spread if r["moment"] == spread[0]["moment"]}
        errors = {t: [100 - 100 * a for a in r["accuracy"]] for t, r in students.items()}
        divergences = {t: r["divergences"] for t, r in students.items()}
        for axis, values in zip(axes, (errors, divergences, totals), strict=True):
            soft = {float(t[2:]): v for t, v in values.items() if t.startswith("T ")}
            course(axis, soft, label=f"teacher {case[0]:g} V, size {case[1]:g}", **look)
            if "labels" in values:
                axis.axhline(fmean(values["labels"]), color=look["color"], ls=":", lw=0.8)
    legend(figure)
    pairs = max((len(r["accuracy"]) for r in rows if r["what"] == "student"), default=0)
    note(figure, f"mean of {pairs} pairs of teacher and student; bands: {INTERVAL}")
    return {"temperature": figure}
