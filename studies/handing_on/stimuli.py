"""Heirs learn from a teacher's answers to mere noise most of what real images teach; choosing helps little.

A teacher chip learns from labels, in place. Fresh chips learn what it answers to stimuli of one kind, by
learned feedback (node perturbation that teaches a backward model), in equally many steps and for equally many
reads of the teacher:
- real; a few real ones, over and over; noise with every pixel's mean and spread; mixup of two real ones;
  another data set, resized to as many pixels.
- selected by the fleet of heirs at every step, one of 4 candidates each: by entropy (of an heir's
  probabilities), by BALD (disagreement among heirs), by highest loss (distance from the teacher, which is
  then read for candidates too, so that batches are a fourth). Heirs are read for candidates, and pay for it.

Published beside ours: none found for students that are trained by perturbation.

Kinds are compared by teacher (`beside real`: the paired difference at the most reads, in points), for
teachers differ by more than most kinds do. `own reads` are those of the heirs, who pay for what they select.

Open questions: what noise would teach best; why resized MNIST, whose digits are smaller and fainter,
teaches less than noise; whether one rate is fair to all kinds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final, Literal, NamedTuple, get_args

from matplotlib.figure import Figure
from torch import Generator

from analog import Ledger, Mismatched, Port, metered, stream
from distill import SoftLabels, bald, lessons, predictive_entropy, select_top, subsample
from distill.stimuli import Score, gaussian_noise, mixup, resize
from learners import Batch, adam, evaluate, fit, linear_decay
from learners.data import Dataset, draw_batches, load_data

from ..kit.metrics.accuracy import predicted_classes, share_right
from ..kit.recipes.published_learner import learned_feedback
from ..kit.recipes.training_size import require_examples, training_size
from ..kit.report.figures import GRAY, INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import mean_of, percent, percent_with_interval, points_between, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row
from .teacher import Teacher, train_teacher

Kind = Literal["real", "a few", "noise", "mixup", "another set", "highest loss", "bald", "entropy"]
STREAM_KEYS: Final = {"mixup": "mixtures", "highest loss": "surprise", "bald": "dispute", "entropy": "doubt"}
"""Words that key the draws of some kinds: a stream's key is its identity."""
SCORES: Final[dict[Kind, Score]] = {"bald": bald, "entropy": predictive_entropy}


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    kinds: tuple[Kind, ...] = get_args(Kind)  # of stimuli, each for heirs of its own
    reads: tuple[Positive, ...] = (1.0, 5.0, 25.0)  # of the teacher by each kind, for each training image
    few: Count = 200  # real images, over and over
    another: str | None = None  # a data set of square images, resized; None: without that kind
    candidates: Count = 4  # for each stimulus that is selected
    teachers: Count = 5  # each a trial of its own
    heirs: Count = 4  # fresh chips for each
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # of the teacher; by default 45, or 15 on large data
    temperature: Positive = 4.0  # of the teacher's answers


TOY = Args(reads=(0.1,), teachers=1, heirs=2, epochs=0.1, hidden=8, another="digits")


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"teacher {self.teacher}"

    def generator(self, *path: str | float) -> Generator:
        return stream(self.args.seed, "stimuli", self.teacher, *map(str, path))


def plan(args: Args) -> list[Trial]:
    return [Trial(args, i) for i in range(args.teachers)]


class _Handover(NamedTuple):
    """The teaching of a fleet of heirs by one kind of stimuli, for so many reads of the teacher."""

    trial: Trial
    teacher: Teacher
    kind: Kind
    reads: float  # of the teacher, for each training image

    @property
    def steps(self) -> int:
        data, size = self.teacher.data, self.teacher.size
        return max(1, round(self.reads * len(data.train.x) / size.batch))

    def generator(self, use: str) -> Generator:
        return self.trial.generator(STREAM_KEYS.get(self.kind, self.kind), self.reads, use)


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    _require_stimuli(args, data)
    size = training_size(data, heirs=args.heirs, hidden=args.hidden, epochs=args.epochs)
    order, probes = trial.generator("data"), trial.generator("probes")
    first = args.first_identity(args.teachers) + 1_000_000 * trial.teacher
    teacher = train_teacher(args.device, data, size, first, noise_seed=args.seed, order=order, probes=probes)
    score = float(evaluate(teacher.chip.port(), data.test))
    yield {"what": "teacher", "chip": first, "accuracy": round(score, 6)}
    cases = [(k, r) for k in args.kinds if k != "another set" or args.another for r in args.reads]
    for number, (kind, reads) in enumerate(cases):
        for row in _heirs(_Handover(trial, teacher, kind, reads), first + 1_000 * (number + 1)):
            yield {**row, "done": round((number + 1) / len(cases), 4)}


def _require_stimuli(args: Args, data: Dataset) -> None:
    """Refuse, before a teacher is trained, stimuli that there are not, or that no chip can see."""
    if "a few" in args.kinds:
        require_examples("stimuli: --few", args.few, data)
    if "another set" in args.kinds and args.another is not None:
        resize(load_data(args.another).train.x[:1], data.features)


def _heirs(handover: _Handover, first: int) -> Iterator[Row]:
    """Fresh chips learn from one kind of stimuli."""
    teacher, data, size = handover.teacher.chip, handover.teacher.data, handover.teacher.size
    students = handover.teacher.fresh_chips(first, noise_seed=handover.trial.args.seed + 1)
    teacher_ledger, own_ledger = Ledger(teacher.spec), Ledger(students.spec)
    heirs = metered(students.port(), own_ledger)
    soft_labels = SoftLabels(handover.trial.args.temperature)
    learner = learned_feedback(size.probes, linear_decay(adam(size.learning_rate), handover.steps))(
        soft_labels.loss
    )
    studied = _lessons(handover, metered(teacher.port(), teacher_ledger), heirs, soft_labels)
    for _ in fit(learner, heirs, studied, handover.generator("probes")):
        pass
    own_reads = max(own_ledger.reads)
    classes, teacher_classes = (
        predicted_classes(heirs, data.test.x),
        predicted_classes(teacher.port(), data.test.x),
    )
    scores, agreement = (
        share_right(classes, data.test.target).tolist(),
        share_right(classes, teacher_classes).tolist(),
    )
    costs = {"teacher_reads": max(teacher_ledger.reads), "own_reads": own_reads}
    for chip, score, agrees in zip(students.identities, scores, agreement, strict=True):
        marks = {"accuracy": round(score, 6), "agreement": round(agrees, 6)}
        yield {"what": handover.kind, "reads": handover.reads, "chip": chip, **marks, **costs}


def _lessons(handover: _Handover, teacher: Port, heirs: Port, soft_labels: SoftLabels) -> Iterator[Batch]:
    """Batches for all steps; `highest loss` answers all candidates and keeps few, others ask about few."""
    size, pool = handover.teacher.size.batch, handover.teacher.data.train.unlabeled
    count, generator, many = handover.steps, handover.generator("data"), handover.trial.args.candidates
    if handover.kind == "highest loss":
        answered = lessons(teacher, draw_batches(pool, size, count, generator), soft_labels)
        return select_top(answered, heirs, max(1, size // many), soft_labels.loss)
    if handover.kind in SCORES:
        candidates = draw_batches(pool, size * many, count, generator)
        stimuli = select_top(candidates, heirs, size, SCORES[handover.kind])
    else:
        stimuli = _stimuli(handover, generator)
    return lessons(teacher, stimuli, soft_labels)


def _stimuli(handover: _Handover, generator: Generator) -> Iterator[Batch]:
    """Batches that nobody selected; what is made up never comes twice."""
    args, data, count = handover.trial.args, handover.teacher.data, handover.steps
    x, size = data.train.x, handover.teacher.size.batch
    if handover.kind == "noise":
        return (Batch(gaussian_noise(x, size, generator)) for _ in range(count))
    if handover.kind == "mixup":
        return (Batch(mixup(x, size, generator)) for _ in range(count))
    pool = Batch(x)
    if handover.kind == "another set" and args.another is not None:
        pool = Batch(resize(load_data(args.another).train.x, data.features))
    if handover.kind == "a few":
        pool = subsample(pool, args.few, handover.trial.generator("a few"))
    return draw_batches(pool, size, count, generator)


def table(rows: Sequence[Row]) -> list[Row]:
    """Right %, mean over teachers with their heirs' mean, by reads of the teacher; then at the most reads."""
    real = _by_teacher([r for r in rows if r["what"] == "real"])
    lines = [
        _line(kind, [r for r in rows if r["what"] == kind], real) for kind in dict.fromkeys(_kinds(rows))
    ]
    scores = [r["accuracy"] for r in rows if r["what"] == "teacher"]
    right = dict.fromkeys(
        (k for line in lines[:1] for k in line if k.endswith(" reads %")), percent_with_interval(scores)
    )
    return [{"stimuli": "(the teacher)", "teachers": len(scores), **right}, *lines]


def _line(kind: str, rows: Sequence[Row], real: dict[tuple[float, str], float]) -> Row:
    budgets, by_teacher = sorted({r["reads"] for r in rows}), _by_teacher(rows)
    teachers = list(dict.fromkeys(r["trial"] for r in rows))
    line: Row = {"stimuli": kind, "teachers": len(teachers)}
    for reads in budgets:
        line[f"{reads:g} reads %"] = percent_with_interval([by_teacher[reads, t] for t in teachers])
    most = budgets[-1]
    if kind != "real" and real:
        own, others = ([scores[most, t] for t in teachers] for scores in (by_teacher, real))
        line["beside real"] = points_between(own, others)
    of_most = [r for r in rows if r["reads"] == most]
    line["agrees %"] = percent(mean_of(of_most, "agreement"))
    return {**line, "own reads": short_number(mean_of(of_most, "own_reads"))}


def _by_teacher(rows: Sequence[Row]) -> dict[tuple[float, str], float]:
    """The mean accuracy of each teacher's heirs, by reads and trial."""
    keys = dict.fromkeys((r["reads"], r["trial"]) for r in rows)
    return {key: fmean(r["accuracy"] for r in rows if (r["reads"], r["trial"]) == key) for key in keys}


def _kinds(rows: Sequence[Row]) -> list[str]:
    return [r["what"] for r in rows if r["what"] != "teacher"]


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(width=4.6, height=3.6)
    for kind, look in looks(_kinds(rows)).items():
        scores = _by_teacher([r for r in rows if r["what"] == kind])
        errors: dict[float, list[float]] = {}
        for (reads, _), score in scores.items():
            errors.setdefault(reads, []).append(100 * (1 - score))
        course(axis, errors, label=kind, **look)
    teachers = [r["accuracy"] for r in rows if r["what"] == "teacher"]
    if teachers:
        axis.axhline(100 * (1 - fmean(teachers)), color=GRAY, lw=0.8, ls="--", label="teacher")
    axis.set(xscale="log", yscale="log", xlabel="reads of the teacher, for each training image")
    axis.set_ylabel("test error of heirs, %")
    legend(figure)
    note(figure, f"mean of {len(teachers)} teachers' heirs; bands: {INTERVAL} over teachers")
    return {"stimuli": figure}
