"""What a chip knows passes to hardware of another technology by teaching, where there is nothing to copy.

Chips of three technologies learn digits in place: feed-forward ones with unknown cells (`Mismatched`) by
learned feedback, and two kinds that relax, neurons that drive one another (`Hopfield`) and resistors between
nodes (`Resistive`), by equilibrium propagation. Then every teacher is asked for softened answers to images
without labels, and teaches fresh chips of every technology by them. Resistors have other shapes than neurons,
and no negative weights: no copy can be made. Where teacher and heirs are alike, blind copies of the true
knobs stand beside.

The same fresh chips are taught by the teachers of all technologies, so that columns are paired. Outputs of
chips that relax stay small, and are amplified digitally by 5 before anything is made of them, by teacher and
heir alike. The temperature was chosen among 0.3, 1 and 4 on held-out training data (seed 1) for Hopfield
heirs of a resistive teacher, where it matters most; the learning rate is the recipes'. Intervals are over
teachers, the mean of whose heirs counts once.

Published: nothing between technologies that we know of.

A technology of one's own: `--devices analog:Mismatched mine:Memristor`; one that relaxes is taught by
equilibrium propagation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Device, Ledger, Mismatched, Port, metered, stream, xray
from analog.devices import Hopfield, Resistive
from distill import SoftLabels, distillation_steps
from distill.outputs import map_outputs
from learners import CrossEntropy, Update, adam, evaluate, fit, linear_decay
from learners.data import Dataset, count_steps, draw_batches, held_out, load_data

from ..kit.metrics.accuracy import predicted_classes, share_right
from ..kit.metrics.mean_interval import cluster_means
from ..kit.recipes.technologies import output_gain, suitable_layers, suitable_recipe
from ..kit.recipes.training_size import TrainingSize, training_size
from ..kit.recipes.weight_copies import repeat_knobs
from ..kit.report.figures import INTERVAL, chip_dots, legend, looks, note, panels
from ..kit.report.tables import mean_of, percent_with_interval, points_between, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    devices: tuple[AnyDevice, ...] = (Mismatched(), Hopfield(), Resistive())  # teachers and heirs of each
    teachers: Count = 3  # of each technology
    heirs: Count = 5  # of each technology, for each teacher
    hidden: Count | None = None  # hidden nodes; by default 64, or 256 on large data
    epochs: Positive | None = None  # of teachers and of heirs; by default 45, or 15 on large data
    temperature: Positive = 1.0  # of the answers, in units of the amplified outputs
    learning_rate: Positive = 1e-2  # of Adam at the beginning, for all
    held_out: bool = False  # judge by a fifth of the training images, kept from all, and not by the test's


TOY = Args(devices=(Mismatched(), Resistive()), teachers=1, heirs=2, hidden=6, epochs=0.1)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Hopfield()  # of the teacher
    number: int = 0

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, teacher {self.number}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, device, number) for device in args.devices for number in range(args.teachers)]


class _Task(NamedTuple):
    """What teacher and heirs of a trial have in common."""

    trial: Trial
    data: Dataset
    size: TrainingSize

    @property
    def first(self) -> int:
        """The identity of the teacher; those of heirs follow, the same for teachers of all technologies."""
        args = self.trial.args
        return args.first_identity(args.teachers) + 1_000_000 * self.trial.number

    @property
    def steps(self) -> int:
        return count_steps(self.data.train, self.size.batch, self.size.epochs)

    def generator(self, *path: str) -> Generator:
        return stream(self.trial.args.seed, "technologies", self.trial.number, *path)

    def chips(self, device: Device, who: int | range, noise_seed: int) -> Chip:
        layers = suitable_layers(device, self.data, self.size.hidden)
        return Chip(device, layers, who, noise_seed=self.trial.args.seed + noise_seed)

    def fresh_chips(self, device: Device, noise_seed: int) -> Chip:
        return self.chips(device, range(self.first + 1, self.first + 1 + self.trial.args.heirs), noise_seed)

    def learn(self, chip: Chip, port: Port) -> None:
        """From labels, in place."""
        examples = draw_batches(self.data.train, self.size.batch, self.steps, self.generator("teacher"))
        learner = suitable_recipe(chip.device, self._update())(CrossEntropy())
        for _ in fit(learner, port, examples, self.generator("teacher", "probes")):
            pass

    def hand_on(self, teacher: Chip, chip: Chip, port: Port) -> None:
        """Teach fresh chips what the teacher answers to images without labels."""
        for _ in distillation_steps(
            _amplified(teacher),
            port,
            suitable_recipe(chip.device, self._update()),
            draw_batches(self.data.train.unlabeled, self.size.batch, self.steps, self.generator("heirs")),
            answers=SoftLabels(temperature=self.trial.args.temperature),
            generator=self.generator("heirs", "probes"),
        ):
            pass

    def _update(self) -> Update:
        return linear_decay(adam(self.trial.args.learning_rate), self.steps)


def _amplified(chip: Chip) -> Port:
    """The wires of a chip behind the digital gain of its outputs."""
    gain = output_gain(chip.device)
    return map_outputs(chip.port(), lambda out: gain * out)


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    data = held_out(data) if args.held_out else data
    task = _Task(trial, data, training_size(data, hidden=args.hidden, epochs=args.epochs))
    teacher = task.chips(trial.device, task.first, 0)
    ledger = Ledger(teacher.spec)
    task.learn(teacher, metered(teacher.port(), ledger))
    right = float(evaluate(teacher.port(), data.test))
    about = {"teacher": task.first, "of": reference(trial.device), "teacher_accuracy": round(right, 6)}
    own = {"device": reference(trial.device), "chip": task.first, "accuracy": round(right, 6)}
    yield {"what": "teacher", **about, **own, "reads": max(ledger.reads)}
    answers = predicted_classes(teacher.port(), data.test.x)
    for number, device in enumerate(args.devices, 1):
        if device == trial.device:
            copies = task.fresh_chips(device, 1).port()
            copies.program(repeat_knobs(xray.knobs(teacher), args.heirs))
            yield from _rows("copy", about, device, copies, task, answers)
        heirs = task.fresh_chips(device, 2)
        ledger = Ledger(heirs.spec)
        task.hand_on(teacher, heirs, metered(heirs.port(), ledger))
        done = {"reads": max(ledger.reads), "done": round(number / len(args.devices), 4)}
        yield from _rows("heir", about | done, device, heirs.port(), task, answers)


def _rows(what: str, about: Row, device: Device, port: Port, task: _Task, answers: Tensor) -> Iterator[Row]:
    """A row for each chip: how often it is right, and how often it agrees with the teacher."""
    classes = predicted_classes(port, task.data.test.x)
    scores, agreement = (share_right(classes, wanted).tolist() for wanted in (task.data.test.target, answers))
    for number, (score, agrees) in enumerate(zip(scores, agreement, strict=True), 1):
        row = {"device": reference(device), "chip": task.first + number, "accuracy": round(score, 6)}
        yield {"what": what, **about, **row, "agreement": round(agrees, 6)}


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for of in dict.fromkeys(row["of"] for row in rows):
        of_kind = [row for row in rows if row["of"] == of]
        teachers = [row["accuracy"] for row in of_kind if row["what"] == "teacher"]
        for device in dict.fromkeys(row["device"] for row in of_kind if row["what"] == "heir"):
            here = [row for row in of_kind if row["device"] == device]
            heirs = [row for row in here if row["what"] == "heir"]
            whose = [row["teacher"] for row in heirs]
            right, agrees, of_teachers = (
                cluster_means([row[key] for row in heirs], whose)
                for key in ("accuracy", "agreement", "teacher_accuracy")
            )
            copied = [row for row in here if row["what"] == "copy"]
            copies = cluster_means([r["accuracy"] for r in copied], [r["teacher"] for r in copied])
            lines.append(
                {
                    "teachers": short_reference(of),
                    "n": len(teachers),
                    "teachers right %": percent_with_interval(teachers),
                    "heirs": short_reference(device),
                    "chips": len(heirs),
                    "heirs right %": percent_with_interval(right),
                    "points behind": points_between(of_teachers, right),
                    "agrees %": percent_with_interval(agrees),
                    "copies right %": percent_with_interval(copies),
                    "reads": short_number(mean_of(heirs, "reads")),
                }
            )
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    kinds = list(dict.fromkeys(row["of"] for row in rows))
    devices = list(dict.fromkeys(row["device"] for row in rows if row["what"] == "heir"))
    figure, axes = panels(len(kinds), width=3.2, height=3.2, sharey=True)
    look = looks(("teacher", "copy", "heir"))
    for axis, of in zip(axes, kinds, strict=False):
        of_kind = [row for row in rows if row["of"] == of]
        places = [("teacher", of), ("copy", of), *(("heir", device) for device in devices)]
        for place, (what, device) in enumerate(places):
            shown = [r for r in of_kind if (r["what"], r["device"]) == (what, device)]
            teachers = [r["teacher"] for r in shown]
            chip_dots(axis, place, [100 * r["accuracy"] for r in shown], clusters=teachers, **look[what])
        heirs = [f"heirs:\n{short_reference(device)}" for device in devices]
        axis.set_xticks(range(len(places)), ["teachers", "blind\ncopies", *heirs], fontsize=7)
        axis.set(title=f"taught by {short_reference(of)}")
    for axis in axes:
        axis.set_ylabel("right, % of test images")
        if not kinds:
            axis.set_xlabel("chips")
    legend(figure)
    note(figure, f"each teacher and each heir of any teacher a dot; bars, over teachers: {INTERVAL}")
    return {"technologies": figure}
