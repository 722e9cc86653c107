"""A dying chip's knowledge survives by distillation into fresh chips, and not by blind copies of its weights.

A teacher chip is trained in place from labels, by learned feedback (node perturbation that teaches a backward
model). Its true knobs are copied into fresh chips by x-ray, and nobody looks whether they do there what they
did (what better copies are worth is the study `copies`); other fresh chips learn what it answers, at a
temperature, by learned feedback of their own. Then the teacher dies.

Heirs may be shown only N images, without labels, and told labels instead of softened answers (`--stimuli`,
`--answers`). Another learner may teach the teacher and its heirs (`--learner`, one of those of `league`, or
one's own). The temperature was chosen on held-out training data. The interval is over teachers, the mean of
whose copies or heirs counts once; of a single teacher over its chips.

No published student was trained by perturbation from a teacher. The nearest: Hinton, Vinyals and Dean (2015,
https://arxiv.org/abs/1503.02531) keep most of a speech model's accuracy with 3 % of its data by soft targets
(57.0 % of frames, labels 44.5, all data 58.9), by backprop in a digital network.

Open questions: how the temperature matters to a noisy student.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Dead, Layer, Ledger, Mismatched, Port, metered, stream, xray
from distill import SoftLabels, distillation_steps, subsample
from learners import Batch, CrossEntropy, Learner, Loss, evaluate, fit
from learners.data import Dataset, count_steps, draw_batches, load_data

from ..kit.metrics.accuracy import predicted_classes, share_right
from ..kit.metrics.mean_interval import cluster_means
from ..kit.recipes.answer_formats import AnyAnswerFormat
from ..kit.recipes.methods import AnyLearner, Setup, make_learner
from ..kit.recipes.published_learner import decaying_adam
from ..kit.recipes.training_size import TrainingSize, network, require_examples, training_size
from ..kit.recipes.trainings import log_spaced
from ..kit.recipes.weight_copies import repeat_knobs
from ..kit.report.figures import INTERVAL, chip_dots, legend, looks, note, panels
from ..kit.report.tables import mean_of, percent_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips, WithPrecision
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row


@dataclass(frozen=True)
class Args(SeededChips, WithPrecision):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    teachers: Count = 5  # teachers, each with heirs of its own
    heirs: Count = 4  # fresh chips for each teacher, to teach and to copy to
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # of the teacher and of its heirs; by default 45, or 15 on large data
    learner: AnyLearner = "learned feedback"  # what teaches the teacher and its heirs
    answers: AnyAnswerFormat = SoftLabels(temperature=4.0)  # how the teacher answers a stimulus
    stimuli: Count | None = None  # images that heirs see, without labels, as often as all; by default all


TOY = Args(heirs=2, epochs=0.3, hidden=8, teachers=2)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"teacher {self.teacher}"


def plan(args: Args) -> list[Trial]:
    if args.stimuli is not None:
        require_examples("heirs: --stimuli", args.stimuli, load_data(args.data))
    return [Trial(args, i) for i in range(args.teachers)]


class _Generation(NamedTuple):
    """A teacher and its heirs-to-be, on one data set."""

    trial: Trial
    data: Dataset
    size: TrainingSize
    layers: tuple[Layer, ...]
    teacher: Chip
    fresh: range  # identities of the chips that copies and heirs are made on
    stimuli: Batch  # what the heirs see: no labels

    @property
    def steps(self) -> int:
        return count_steps(self.data.train, self.size.batch, self.size.epochs)

    def generator(self, *path: str) -> Generator:
        return stream(self.trial.args.seed, "heirs", self.trial.name, *path)

    def batches(self, who: str, data: Batch) -> Iterator[Batch]:
        return draw_batches(data, self.size.batch, self.steps, self.generator(who, "data"))

    def learner(self, chip: Chip, loss: Loss) -> Learner:
        update = decaying_adam(self.data, self.size.batch, self.size.epochs, self.size.learning_rate)
        setup = Setup(chip, update, self.size.probes, loss=loss, steps=self.steps)
        return make_learner(self.trial.args.learner, setup)

    def fresh_chips(self, noise_seed: int) -> Chip:
        args = self.trial.args
        seed, precision = args.seed + noise_seed, args.product_precision
        return Chip(args.device, self.layers, self.fresh, noise_seed=seed, precision=precision)


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    stimuli = _stimuli(trial, data)  # before anything is trained, for there may be too few
    size = training_size(data, heirs=args.heirs, hidden=args.hidden, epochs=args.epochs)
    layers = network(data, size.hidden)
    first = args.first_identity(args.teachers) + 1_000_000 * trial.teacher
    precision = args.product_precision
    teacher = Chip(args.device, layers, first, noise_seed=args.seed, precision=precision)
    fresh = range(first + 1, first + 1 + size.heirs)
    generation = _Generation(trial, data, size, layers, teacher, fresh, stimuli)
    yield from _train_teacher(generation)
    teacher_classes = predicted_classes(teacher.port(), data.test.x)
    again = share_right(predicted_classes(teacher.port(), data.test.x), teacher_classes)
    yield {"what": "teacher, read again", "chip": first, "agreement": _rounded(again)}
    yield from _copy(generation, teacher_classes)
    yield from _hand_over(generation, teacher_classes)


def _stimuli(trial: Trial, data: Dataset) -> Batch:
    """What the heirs of a teacher see, without labels."""
    pool, count = data.train.unlabeled, trial.args.stimuli
    generator = stream(trial.args.seed, "heirs", trial.name, "stimuli")
    return pool if count is None else subsample(pool, count, generator)


def _train_teacher(generation: _Generation) -> Iterator[Row]:
    """The teacher learns from labels, in place."""
    chip, test, total = generation.teacher, generation.data.test, generation.steps
    port, ledger = chip.port(), Ledger(chip.spec)
    training = fit(
        generation.learner(chip, CrossEntropy()),
        metered(port, ledger),
        generation.batches("teacher", generation.data.train),
        generation.generator("teacher", "probes"),
    )
    for step in log_spaced(training, total):
        yield _point_of_curve("teacher", step, total, evaluate(port, test), 0.2 * (step / total))
    score = share_right(predicted_classes(port, test.x), test.target)
    yield {"what": "teacher", "chip": chip.identities[0], "accuracy": _rounded(score), **_costs(ledger)}


def _copy(generation: _Generation, teacher_classes: Tensor) -> Iterator[Row]:
    """The digital way: the teacher's true knobs are programmed into fresh chips."""
    copies = generation.fresh_chips(noise_seed=1).port()
    copies.program(repeat_knobs(xray.knobs(generation.teacher), len(generation.fresh)))
    yield from _rows("copy", generation, copies, teacher_classes)


def _hand_over(generation: _Generation, teacher_classes: Tensor) -> Iterator[Row]:
    """Fresh chips learn what the teacher answers; then it dies, and they are asked."""
    chip, test, total = generation.fresh_chips(noise_seed=2), generation.data.test, generation.steps
    heirs, ledger = chip.port(), Ledger(chip.spec)
    yield from _rows("heir before", generation, heirs, teacher_classes)
    teaching = distillation_steps(
        generation.teacher.port(),
        metered(heirs, ledger),
        partial(generation.learner, chip),
        generation.batches("heirs", generation.stimuli),
        answers=generation.trial.args.answers,
        generator=generation.generator("heirs", "probes"),
        answer_generator=generation.generator("heirs", "answers"),
    )
    begun = 1 / (1 + len(generation.fresh))
    for step in log_spaced(teaching, total):
        done = begun + (1 - begun) * (step / total)
        yield _point_of_curve("heirs", step, total, evaluate(heirs, test), done)
    teacher = generation.teacher.port()
    generation.teacher.die()
    try:
        teacher.measure(test.x[:1])
    except Dead:
        yield {"what": "teacher, dead", "chip": generation.teacher.identities[0], "accuracy": None}
    yield from _rows("heir", generation, heirs, teacher_classes, _costs(ledger))


def _point_of_curve(who: str, step: int, total: int, scores: Tensor, done: float) -> Row:
    accuracy = _rounded(scores.mean())
    return {"what": "curve", "who": who, "step": step, "accuracy": accuracy, "done": round(done, 4)}


def _rows(
    what: str, generation: _Generation, chips: Port, teacher_classes: Tensor, costs: Row | None = None
) -> Iterator[Row]:
    """A row for each chip: how often it is right, and how often it agrees with the teacher."""
    test = generation.data.test
    classes = predicted_classes(chips, test.x)
    scores, agreement = share_right(classes, test.target), share_right(classes, teacher_classes)
    for i, chip in enumerate(generation.fresh):
        row = {"accuracy": _rounded(scores[i]), "agreement": _rounded(agreement[i])}
        own_costs = {k: v[i] if isinstance(v, list) else v for k, v in (costs or {}).items()}
        yield {"what": what, "chip": chip, **row, **own_costs}


def _rounded(value: Tensor) -> float:
    return round(float(value), 6)


def _costs(ledger: Ledger) -> Row:
    """What each chip of the fleet was put through."""
    return {
        "reads": max(ledger.reads),
        "pulses_per_cell": ledger.pulses_per_cell.tolist(),
        "joules": ledger.joules.tolist(),
        "seconds": ledger.seconds,
    }


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    labels = {
        "teacher": "teacher",
        "teacher, read again": "read again",
        "copy": "copies, blind",
        "heir before": "heirs, fresh",
        "heir": "heirs, taught",
        "teacher, dead": "teacher, dead",
    }
    for what, words in labels.items():
        of_kind = [r for r in rows if r["what"] == what]
        if not of_kind:
            continue
        lines.append(
            {
                "chips": words,
                "n": len(of_kind),
                "right %": "dead" if what == "teacher, dead" else _over_teachers(of_kind, "accuracy"),
                "agrees %": _over_teachers(of_kind, "agreement"),
                "reads": short_number(mean_of(of_kind, "reads")),
                "pulses/cell": short_number(mean_of(of_kind, "pulses_per_cell")),
                "chip J, by guessed Costs": short_number(mean_of(of_kind, "joules")),
                "chip s": short_number(mean_of(of_kind, "seconds")),
            }
        )
    return lines


def _over_teachers(rows: Sequence[Row], key: str) -> str:
    scored = [r for r in rows if key in r]
    return percent_with_interval(cluster_means([r[key] for r in scored], [r["trial"] for r in scored]))


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (left, right) = panels(2, width=3.8, height=3.2)
    look = looks(("teacher", "copy", "heir before", "heir"))
    labels = {"teacher": "teacher, from labels", "heirs": "heirs, from its answers"}
    for who, label in labels.items():
        for number, trial in enumerate(dict.fromkeys(r["trial"] for r in rows)):
            points = [r for r in rows if r["what"] == "curve" and r["who"] == who and r["trial"] == trial]
            errors = [100 * (1 - p["accuracy"]) for p in points]
            shown = look["teacher" if who == "teacher" else "heir"]
            left.plot([p["step"] for p in points], errors, label=None if number else label, **shown)
    left.set(xlabel="steps", ylabel="test error, %", xscale="log", yscale="log", title="learning in place")
    names = ("teacher", "blind\ncopies", "heirs,\nfresh", "heirs,\ntaught")
    for place, (what, shown) in enumerate(look.items()):
        chips = [r for r in rows if r["what"] == what]
        whose = [r["trial"] for r in chips]
        chip_dots(right, place, [100 * r["accuracy"] for r in chips], clusters=whose, **shown)
    right.set_xticks(range(len(names)), names)
    right.set(ylabel="test accuracy, %", title="what survives the teacher's death", ylim=(0, 100))
    legend(figure)
    heirs = sum(r["what"] == "heir" for r in rows)
    teachers = len({r["trial"] for r in rows})
    note(
        figure,
        f"right: each of {teachers} teachers and {heirs} heirs a dot; bars, over teachers: {INTERVAL}; "
        "left: a line for each teacher, and for the mean of its heirs",
    )
    return {"heirs": figure}
