"""Labels reach an accuracy in the fewest bits, softened answers in the fewest lessons.

A chip that has learnt in place answers N unlabelled stimuli once. Its answers are written down, it is not
asked again, and a small fleet of fresh chips studies the recording by learned feedback (node perturbation
that teaches a backward model), as many steps whatever N. Every answer format is a curve: accuracy against all
bits that were sent.

Beside the class, captions say which of 16 regions hold more ink than in the median training image (so they
are made digitally from the image; a stand-in for what somebody who sees more would say), and subclasses
are invented by the teacher. Teachers of these have more outputs and learn with losses of their own. Two
digital references: the teacher's weights copied to other chips at 32 bits a knob, and gradients sent at 32
bits a knob and step to an identical digital network, which is what identical machines can do that mortal
ones cannot.

Copied weights are blind copies of the knobs. `bits to 90%` is where the mean over teachers gets there,
interpolated in the logarithm, and `from to` where the first and the last of the teachers do. Spans and
temperatures of answers were chosen on held-out digits.

Published beside ours: Hinton's talk, by which a label among 1,024 classes constrains by 10 bits and the
teacher's distribution by 1,023 numbers. Mueller, Kornblith and Hinton (2020,
https://arxiv.org/abs/2002.03936) find subclasses of use where classes are few; no published student was
trained by perturbation, so nothing here repeats a published number.

Open questions: a code that spends fewer bits on answers that the student could have guessed; stimuli that
are sent too.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Annotated, Any, Literal, NamedTuple

from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Ideal, Layer, Mismatched, Port, dense, stream, xray
from distill import (
    AnswerFormat,
    HardCaptions,
    HardLabels,
    Logits,
    QuantizedLogits,
    SampledLabels,
    SoftCaptions,
    SoftLabels,
    Traffic,
    lessons,
    record,
    subsample,
)
from distill.formats import FLOAT_BITS, CaptionLoss, CaptionTarget, SubclassLoss
from distill.outputs import class_outputs, sum_subclasses
from learners import Batch, CrossEntropy, Loss, adam, evaluate, fit, linear_decay
from learners.data import Dataset, batches, count_steps, draw_batches, load_data

from ..kit.data.ink import mean_ink
from ..kit.recipes.answer_formats import AnyAnswerFormat, name_of
from ..kit.recipes.exact_gradient import ExactGradient
from ..kit.recipes.published_learner import decaying_adam, learned_feedback, published_learner
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import log_spaced
from ..kit.recipes.weight_copies import repeat_knobs
from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import percent_with_interval, round_count
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import MAY_BE_EMPTY, Count, Positive
from ..kit.run.study import Row

Method = Literal["hard captions", "soft captions", "subclasses", "weights", "gradients"] | AnyAnswerFormat

SUBCLASSES = 4  # of a class
SAMPLED = 1.0  # V, temperature at which classes are drawn; on held-out digits
SOFTENED = 10.0  # V, temperature of softened answers; on held-out digits

METHODS: tuple[Method, ...] = (
    HardLabels(),
    SampledLabels(1, SAMPLED),
    SampledLabels(4, SAMPLED),
    SampledLabels(16, SAMPLED),
    QuantizedLogits(1, span=8.0, temperature=SOFTENED),  # spans were chosen on held-out digits
    QuantizedLogits(2, span=16.0, temperature=SOFTENED),
    QuantizedLogits(4, span=32.0, temperature=SOFTENED),
    QuantizedLogits(8, span=32.0, temperature=SOFTENED),
    SoftLabels(SOFTENED),
    Logits(),
    "hard captions",
    "soft captions",
    "subclasses",
    "weights",
    "gradients",
)


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    methods: tuple[Method, ...] = METHODS  # what is sent
    # and all that there are
    lessons: Annotated[tuple[Count, ...], MAY_BE_EMPTY] = (16, 32, 64, 128, 256, 512)
    teachers: Count = 5  # each with heirs of its own
    heirs: Count = 4  # fresh chips that study each recording
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # over all data, of the teacher; heirs take as many steps
    temperature: Positive = SOFTENED  # V, of soft captions and subclasses


TOY = Args(
    methods=(HardLabels(), "soft captions", "weights", "gradients", "subclasses"),
    lessons=(64,),
    teachers=1,
    heirs=1,
    hidden=8,
    epochs=0.3,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: Method = HardLabels()
    teacher: int = 0

    @property
    def method_name(self) -> str:
        return self.method if isinstance(self.method, str) else name_of(self.method)

    @property
    def name(self) -> str:
        return f"{self.method_name}, teacher {self.teacher}"

    @property
    def first_chip(self) -> int:
        return self.args.first_identity(self.args.teachers) + 1_000_000 * self.teacher

    @property
    def first_heir(self) -> int:
        return self.first_chip + 1

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "bits", self.teacher, *path)


class Teaching(NamedTuple):
    """What a teacher is trained for, and in which format it answers then."""

    outputs: int
    targets: Any  # of the teacher, for each training example
    loss: Loss  # of the teacher
    answers: AnswerFormat
    class_outputs: Callable[[Port], Port]  # the port that names classes

    def layers(self, data: Dataset, size: TrainingSize) -> tuple[Layer, ...]:
        return dense(data.features, size.hidden), dense(size.hidden, self.outputs, linear=True)


def teaching(method: Method, data: Dataset, temperature: float) -> Teaching:
    """The teaching behind a method; where weights are sent, that of labels."""
    if method == "hard captions":
        return _captions(data, HardCaptions(data.classes))
    if method == "soft captions":
        return _captions(data, SoftCaptions(data.classes, temperature))
    labels, classes = data.train.target, data.classes
    if method == "subclasses":
        loss, answers = SubclassLoss(classes), SoftLabels(temperature)
        outputs = SUBCLASSES * classes
        return Teaching(outputs, labels, loss, answers, lambda port: sum_subclasses(port, classes))
    answers_in_classes = HardLabels() if isinstance(method, str) else method
    return Teaching(classes, labels, CrossEntropy(), answers_in_classes, lambda port: port)


def _captions(data: Dataset, answers: AnswerFormat) -> Teaching:
    """A teacher that says which regions hold more ink than in the median training image."""
    ink, classes = mean_ink(data), data.classes
    target = CaptionTarget(data.train.target, (ink > ink.median(0).values).to(ink.dtype))
    outputs = classes + ink.shape[-1]
    return Teaching(outputs, target, CaptionLoss(classes), answers, lambda port: class_outputs(port, classes))


def plan(args: Args) -> list[Trial]:
    return [Trial(args, method, t) for method in args.methods for t in range(args.teachers)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden, epochs=args.epochs, heirs=args.heirs)
    if trial.method == "gradients":
        yield from _gradients(trial, data, size)
        return
    subject = teaching(trial.method, data, args.temperature)
    first = trial.first_chip
    teacher = Chip(args.device, subject.layers(data, size), first, noise_seed=args.seed)
    examples = Batch(data.train.x, subject.targets)
    order, probes = trial.generator("teacher", "data"), trial.generator("teacher")
    learner = published_learner(data, size)(subject.loss)
    for _ in fit(learner, teacher.port(), batches(examples, size.batch, size.epochs, order), probes):
        pass
    score = float(evaluate(subject.class_outputs(teacher.port()), data.test))
    yield {"what": "teacher", "method": trial.method_name, "accuracy": round(score, 6), "done": 0.1}
    if trial.method == "weights":
        copies = _fresh_chips(trial, size, teacher).port()
        copies.program(repeat_knobs(xray.knobs(teacher), size.heirs))
        yield _row(trial, 0, FLOAT_BITS * _knobs(teacher), evaluate(copies, data.test), 1.0)
        return
    yield from _curve(trial, data, size, subject, teacher)


def _curve(
    trial: Trial, data: Dataset, size: TrainingSize, subject: Teaching, teacher: Chip
) -> Iterator[Row]:
    """Recordings of more and more lessons, each studied by fresh chips."""
    total = count_steps(data.train, size.batch, size.epochs)
    counts = sorted({min(n, len(data.train.x)) for n in (*trial.args.lessons, len(data.train.x))})
    for k, count in enumerate(counts, 1):
        stimuli = subsample(data.train.unlabeled, count, trial.generator("stimuli"))
        traffic, draws = Traffic(), trial.generator(count, "lots")
        recording = record(
            lessons(teacher.port(), [stimuli], subject.answers, generator=draws, traffic=traffic)
        )
        heirs = _fresh_chips(trial, size, teacher).port()
        learner = learned_feedback(size.probes, linear_decay(adam(size.learning_rate), total))(
            subject.answers.loss
        )
        studied = draw_batches(recording, size.batch, total, trial.generator(count, "order"))
        for _ in fit(learner, heirs, studied, trial.generator(count, "probes")):
            pass
        scores = evaluate(subject.class_outputs(heirs), data.test)
        yield _row(trial, traffic.lessons, traffic.bits, scores, 0.1 + 0.9 * k / len(counts))


def _gradients(trial: Trial, data: Dataset, size: TrainingSize) -> Iterator[Row]:
    """An identical digital network takes every step that its twin's gradient tells it to."""
    twin = Chip(Ideal(), network(data, size.hidden), trial.first_chip)
    learner = ExactGradient(
        twin, decaying_adam(data, size.batch, size.epochs, size.learning_rate), CrossEntropy()
    )
    order = trial.generator("teacher", "data")
    total = count_steps(data.train, size.batch, size.epochs)
    training = fit(learner, twin.port(), batches(data.train, size.batch, size.epochs, order), order)
    for step in log_spaced(training, total):
        scores = evaluate(twin.port(), data.test).reshape(1)
        yield _row(trial, step, FLOAT_BITS * _knobs(twin) * step, scores, step / total)


def _fresh_chips(trial: Trial, size: TrainingSize, teacher: Chip) -> Chip:
    """Chips of the teacher's wiring that nobody has taught."""
    args, first = trial.args, trial.first_heir
    who = range(first, first + size.heirs)
    return Chip(args.device, teacher.spec.layers, who, noise_seed=args.seed + 1)


def _knobs(chip: Chip) -> int:
    """How many knobs one chip has."""
    return sum(math.prod(shape[-3:]) for shape in chip.spec.shapes)


def _row(trial: Trial, lessons: int, bits: int, scores: Tensor, done: float) -> Row:
    about = {"what": "heirs", "method": trial.method_name, "lessons": lessons, "bits": bits}
    return {**about, "scores": [round(s, 6) for s in scores.tolist()], "done": round(done, 4)}


def course(rows: Sequence[Row], method: str) -> list[tuple[int, int, float]]:
    """Lessons, bits and mean accuracy over teachers and heirs, rising in bits."""
    scores: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        if row["what"] == "heirs" and row["method"] == method:
            scores.setdefault((row["lessons"], row["bits"]), []).extend(row["scores"])
    return [(*sent, fmean(values)) for sent, values in sorted(scores.items(), key=lambda item: item[0][1])]


def cost_to_reach(points: Sequence[tuple[float, float]], wanted: float) -> float | None:
    """The cost at which a course first reaches an accuracy, interpolated in its logarithm; None: nowhere."""
    if points and points[0][1] >= wanted:
        return points[0][0]
    for (a, low), (b, high) in pairwise(points):
        if low < wanted <= high:
            return math.exp(math.log(a) + (wanted - low) / (high - low) * math.log(b / a))
    return None


def table(rows: Sequence[Row]) -> list[Row]:
    return [
        _line(method, [r for r in rows if r["method"] == method])
        for method in dict.fromkeys(r["method"] for r in rows)
    ]


def _line(method: str, rows: Sequence[Row]) -> Row:
    """The table's line of one method; a trial is a teacher."""
    points = course(rows, method)
    trials = list(dict.fromkeys(r["trial"] for r in rows))
    by_teacher = [course([r for r in rows if r["trial"] == trial], method) for trial in trials]
    teachers = [r["accuracy"] for r in rows if r["what"] == "teacher"]
    has_lessons = method not in ("weights", "gradients")
    line: Row = {
        "sent": _SENT.get(method, method),
        "teachers": len(trials),
        "teacher %": percent_with_interval(teachers),
    }
    line["bits each"] = f"{points[-1][1] // points[-1][0]:,}" if has_lessons else ""
    for wanted in (0.9, 0.95):
        costs = [cost_to_reach([(b, s) for _, b, s in of_teacher], wanted) for of_teacher in by_teacher]
        line[f"bits to {wanted:.0%}"] = round_count(cost_to_reach([(b, s) for _, b, s in points], wanted))
        line[f"{wanted:.0%} from to"] = _first_and_last(costs)
    to_90 = cost_to_reach([(n, s) for n, _, s in points], 0.9) if has_lessons else None
    line["lessons to 90%"] = round_count(to_90)
    ends = [of_teacher[-1][2] for of_teacher in by_teacher]
    return {**line, "bits of all": f"{points[-1][1]:,}", "right %": percent_with_interval(ends)}


_SENT = {"weights": "weights, copied blindly", "gradients": "gradients of a digital twin"}


def _first_and_last(costs: Sequence[float | None]) -> str:
    """The least and the most of what several pay, and how many never get there."""
    paid = [cost for cost in costs if cost is not None]
    if len(costs) < 2 or not paid:
        return ""
    never = f", {len(costs) - len(paid)} never" if len(paid) < len(costs) else ""
    return f"{round_count(min(paid))} {round_count(max(paid))}{never}"


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(width=5, height=4)
    look = looks(r["method"] for r in rows)
    for method, shown in look.items():
        points = course(rows, method)
        across, up = [b for _, b, _ in points], [100 * s for *_, s in points]
        trials = dict.fromkeys(r["trial"] for r in rows if r["method"] == method)
        every = [course([r for r in rows if r["trial"] == trial], method) for trial in trials]
        if len(every) > 1 and all([b for _, b, _ in one] == across for one in every):
            scores = [[100 * s for *_, s in one] for one in every]
            low, high = ([pick(column) for column in zip(*scores, strict=True)] for pick in (min, max))
            axis.fill_between(across, low, high, color=shown["color"], alpha=0.12, lw=0)
        axis.plot(across, up, lw=1.0, label=method, **shown)
    axis.set(xscale="log", xlabel="bits sent to each heir", ylabel="test accuracy of heirs, %")
    legend(figure)
    teachers = len({r["trial"] for r in rows})
    note(figure, f"mean of {teachers} teachers' heirs; bands: from the worst teacher's to the best one's")
    return {"bits": figure}
