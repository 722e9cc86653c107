"""Where classes share words, captions teach a student with far fewer examples, and name what it never saw.

Hinton's talk has captions carry more than labels. A teacher chip learns captions in place: it is told by
which words each example is called. It is then asked once about N unlabeled stimuli, and fresh chips study
what it answered, by learned feedback, as many steps whatever N. Two cases:
- scenes: two digits side by side; the words are the digit on the left and the digit on the right, the class
  is the pair, one of 100.
- digits: single ones; the words are the seven strokes of a digital clock's figure, each there or not, the
  class is the digit, which is a word already.
Told are, as the likeliest, drawn by its probability or softened, `words` or the `class`, which the same
teacher names by its words: so it knows as much, and only the telling differs. `class, never told words` is
told by a teacher that learned from labels. Heirs are judged by the class that they name, heirs of words by
the likeliest sequence of words that is a class.

Stimuli lack a fifth of the classes (pairs whose right digit is so many above the left one, modulo 10; two
digits); every class is missing for one teacher of five. `seen` is accuracy on test examples of the others,
`unseen` on those of these, among all classes. Teachers learned all classes. Intervals are over teachers.
`bits to 80%`, of seen, are those of the fewest lessons where these get there already.

The pair's label has 7 bits and the two words 8, and either can be had of the other: what words bring is not
bits, but that a word recurs in other scenes. A softened label of the pair gives that away too, in 99 numbers.

Published beside ours: none; the talk has no number. Attributes that name classes never shown: Lampert et al.
(2009, https://doi.org/10.1109/CVPR.2009.5206594), digital and on photographs.

Open questions: words that a teacher invents; sentences whose order means something, where the scene does not
fix what stands first; a bias of classes that were never heard (`left_out`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Literal, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Layer, Mismatched, Port, mlp, stream
from distill import HardLabels, SampledLabels, SoftLabels, Traffic, lessons, record, subsample
from distill.formats import Words, WordsLoss
from distill.outputs import sum_words
from distill.stimuli import drop_classes
from learners import Batch, CrossEntropy, Loss, adam, fit, linear_decay
from learners.data import Dataset, draw_batches, held_out, load_data

from ..kit.data.scenes import scenes
from ..kit.metrics.accuracy import predicted_classes, share_right
from ..kit.recipes.answer_formats import AnyAnswerFormat, name_of
from ..kit.recipes.published_learner import learned_feedback
from ..kit.recipes.training_size import TrainingSize, training_size
from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import percent_with_interval, points_between, round_count
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import MAY_BE_EMPTY, Count
from ..kit.run.study import Row
from .bits import cost_to_reach

Case = Literal["scenes", "digits"]
Told = Literal["words", "class", "class, never told words"]

SOFTENED = 10.0  # V, of answers; on held-out scenes better than 4 and like 30, for words and for classes

STROKES = "1110111 0010010 1011101 1011011 0111010 1101011 1101111 1010010 1111111 1111011"
"""Of 0 to 9: top, upper left, upper right, middle, lower left, lower right, bottom."""


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits or mnist, or other pictures of ten classes
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    cases: tuple[Case, ...] = ("scenes", "digits")
    told: tuple[Told, ...] = ("words", "class", "class, never told words")  # by a teacher
    # of each word, or of the class
    answers: tuple[AnyAnswerFormat, ...] = (HardLabels(), SampledLabels(), SoftLabels(SOFTENED))
    # and all that there are
    lessons: Annotated[tuple[Count, ...], MAY_BE_EMPTY] = (128, 512)
    scenes: Count = 4000  # to learn from; a quarter as many to judge by
    teachers: Count = 5  # each with heirs of its own
    heirs: Count = 2  # fresh chips that study each recording
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    steps: Count = 500  # batches that each chip studies, teacher or heir
    held_out: bool = False  # judge by a fifth of the training images, kept from all, and not by the test's


TOY = Args(answers=(HardLabels(),), lessons=(), scenes=400, teachers=1, heirs=1, hidden=8, steps=4)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    case: Case = "scenes"
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"{self.case}, teacher {self.teacher}"

    @property
    def first_chip(self) -> int:
        return self.args.first_identity(self.args.teachers) + 1_000_000 * self.teacher

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "captions", self.case, self.teacher, *path)


class Task(NamedTuple):
    """Examples, the words that each class is called by, and which classes no lesson shows."""

    data: Dataset
    spelling: Tensor  # (classes, words), int64
    vocabulary: int
    unseen: Tensor  # (classes,), bool

    @property
    def words(self) -> int:
        return self.spelling.shape[-1]


def task(trial: Trial) -> Task:
    """The case's examples and words.

    Raises:
        ValueError: the data have not ten classes.
    """
    args, data = trial.args, load_data(trial.args.data)
    if data.classes != 10:
        raise ValueError(f"captions: {data.name} has {data.classes} classes, wanted ten digits")
    data = held_out(data) if args.held_out else data
    if trial.case == "digits":
        strokes = torch.tensor([[int(there) for there in figure] for figure in STROKES.split()])
        return Task(data, strokes, 2, _is_unseen(torch.arange(10), trial))
    both = scenes(data, args.scenes, max(1, args.scenes // 4), stream(args.seed, "captions", "scenes"))
    pairs = torch.cartesian_prod(torch.arange(10), torch.arange(10))
    return Task(both, pairs, 10, _is_unseen((pairs[:, 1] - pairs[:, 0]) % 10, trial))


def _is_unseen(number: Tensor, trial: Trial) -> Tensor:
    """Two of ten numbers, others for each of five teachers."""
    return number // 2 == trial.teacher % 5


def plan(args: Args) -> list[Trial]:
    return [Trial(args, case, t) for case in args.cases for t in range(args.teachers)]


def run(trial: Trial) -> Iterator[Row]:
    args, subject = trial.args, task(trial)
    size = training_size(subject.data, hidden=args.hidden, heirs=args.heirs)
    teachers: dict[bool, Chip] = {}
    methods = [(told, answers) for answers in args.answers for told in args.told]
    for number, (told, answers) in enumerate(methods):
        knows_words = _knows_words(told)
        if knows_words not in teachers:
            teachers[knows_words] = _teacher(trial, subject, size, knows_words)
            port = _naming(teachers[knows_words].port(), subject, knows_words)
            about = {"what": "teacher", "case": trial.case, "knows words": knows_words}
            yield {**about, **_right(port, subject), "done": round(number / len(methods), 4)}
        port = teachers[knows_words].port()
        if told == "class":
            port = sum_words(port, subject.spelling)
        for row in _curve(trial, subject, size, port, told, answers):
            yield {**row, "done": round((number + row["done"]) / len(methods), 4)}


def _teacher(trial: Trial, subject: Task, size: TrainingSize, knows_words: bool) -> Chip:
    """A chip that has learned in place, from the words of every example or from its label."""
    x, label = subject.data.train
    target = subject.spelling[label] if knows_words else label
    loss = WordsLoss(subject.words, CrossEntropy()) if knows_words else CrossEntropy()
    layers, chip = _layers(subject, size, knows_words), trial.first_chip + int(not knows_words)
    teacher = Chip(trial.args.device, layers, chip, noise_seed=trial.args.seed)
    _study(trial, teacher.port(), Batch(x, target), loss, size, "teacher", int(knows_words))
    return teacher


def _study(
    trial: Trial, port: Port, examples: Batch, loss: Loss, size: TrainingSize, *path: str | int
) -> None:
    """Learn from examples by learned feedback, as many steps whoever does."""
    steps = trial.args.steps
    order = draw_batches(examples, size.batch, steps, trial.generator(*path, "order"))
    learner = learned_feedback(size.probes, linear_decay(adam(size.learning_rate), steps))(loss)
    for _ in fit(learner, port, order, trial.generator(*path, "probes")):
        pass


def _layers(subject: Task, size: TrainingSize, says_words: bool) -> tuple[Layer, ...]:
    outputs = subject.words * subject.vocabulary if says_words else subject.data.classes
    return mlp(subject.data.features, size.hidden, outputs)


def _knows_words(told: str) -> bool:
    """Whether whoever tells this has learned words."""
    return told != "class, never told words"


def _naming(port: Port, subject: Task, says_words: bool) -> Port:
    """The port that names classes."""
    return sum_words(port, subject.spelling) if says_words else port


def _right(port: Port, subject: Task) -> Row:
    """The share of test examples named rightly, of classes that lessons show and of those that none does."""
    test = subject.data.test
    named, unseen = predicted_classes(port, test.x), subject.unseen[test.target]
    return {
        word: [round(s, 6) for s in share_right(named[..., which], test.target[which]).reshape(-1).tolist()]
        for word, which in (("seen", ~unseen), ("unseen", unseen))
    }


def _curve(
    trial: Trial, subject: Task, size: TrainingSize, teacher: Port, told: Told, answers: AnyAnswerFormat
) -> Iterator[Row]:
    """Recordings of more and more lessons, each studied by fresh chips."""
    args, data, says_words = trial.args, subject.data, told == "words"
    caption = Words(subject.words, answers) if says_words else answers
    pool = drop_classes(data.train, subject.unseen.nonzero().squeeze(-1).tolist()).unlabeled
    counts = sorted({min(n, len(pool.x)) for n in (*args.lessons, len(pool.x))})
    layers = _layers(subject, size, says_words)
    who = range(trial.first_chip + 2, trial.first_chip + 2 + size.heirs)
    for k, count in enumerate(counts, 1):
        stimuli, traffic = subsample(pool, count, trial.generator("stimuli")), Traffic()
        drawn = trial.generator(count, "lots")
        recording = record(lessons(teacher, [stimuli], caption, generator=drawn, traffic=traffic))
        heirs = Chip(args.device, layers, who, noise_seed=args.seed + 1).port()
        _study(trial, heirs, recording, caption.loss, size, count)
        about = {"what": "heirs", "case": trial.case, "told": told, "answers": name_of(answers)}
        asked = "all" if count == len(pool.x) else str(count)
        sent = {"asked": asked, "lessons": traffic.lessons, "bits": traffic.bits}
        right = _right(_naming(heirs, subject, says_words), subject)
        yield {**about, **sent, **right, "done": k / len(counts)}


def table(rows: Sequence[Row]) -> list[Row]:
    """A line for each case, format and telling; `over class` is paired by teacher, at as many lessons."""
    heirs = [r for r in rows if r["what"] == "heirs"]
    lines = []
    for case, answers, told in dict.fromkeys((r["case"], r["answers"], r["told"]) for r in heirs):
        alike = [r for r in heirs if (r["case"], r["answers"]) == (case, answers)]
        own, of_class = ([r for r in alike if r["told"] == told_here] for told_here in (told, "class"))
        taught = [r for r in rows if r["what"] == "teacher" and r["case"] == case]
        teachers = [fmean(r["seen"]) for r in taught if r["knows words"] == _knows_words(told)]
        line: Row = {"case": case, "answers": answers, "told": told, "teachers": len(teachers)}
        line |= {"teacher %": percent_with_interval(teachers)}
        line |= {"bits each": f"{own[0]['bits'] // own[0]['lessons']:,}"}
        for part, wanted in (("seen", own), ("unseen", own[-1:])):
            for asked in dict.fromkeys(r["asked"] for r in wanted):
                scores, others = (_scores(which, part, asked) for which in (own, of_class))
                line[f"{part} % of {asked}"] = percent_with_interval(scores)
                if told != "class" and len(scores) == len(others):
                    line[f"{part} of {asked} over class"] = points_between(scores, others)
        lines.append(line | {"bits to 80%": round_count(cost_to_reach(_course(own, "seen"), 0.8))})
    columns = dict.fromkeys(column for line in lines for column in line)
    return [{column: line.get(column, "") for column in columns} for line in lines]


def _scores(rows: Sequence[Row], part: str, asked: str) -> list[float]:
    """Of each teacher, how often its heirs are right after so many lessons."""
    return [fmean(r[part]) for r in rows if r["asked"] == asked]


def _course(rows: Sequence[Row], part: str) -> list[tuple[float, float]]:
    """Bits and accuracy, means over teachers, rising in bits; how many `all` are depends on the teacher."""
    asked = dict.fromkeys(r["asked"] for r in rows)
    return [(fmean(r["bits"] for r in rows if r["asked"] == a), fmean(_scores(rows, part, a))) for a in asked]


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    heirs = [r for r in rows if r["what"] == "heirs"]
    cases = [*dict.fromkeys(r["case"] for r in heirs)]
    figure, axes = panels(2, len(cases), width=3.4)
    look = looks((r["told"], r["answers"]) for r in heirs)
    for number, axis in enumerate(axes[: 2 * len(cases)]):
        case, part = cases[number // 2], ("seen", "unseen")[number % 2]
        for (told, answers), shown in look.items():
            own = [r for r in heirs if (r["case"], r["told"], r["answers"]) == (case, told, answers)]
            points = [(bits, 100 * score) for bits, score in _course(own, part)]
            if points:
                axis.plot(*zip(*points, strict=True), label=f"{told}: {answers}", **shown)
        axis.set(xscale="log", xlabel="bits sent to each heir", ylabel="right of test examples, %")
        axis.set_title(f"{case}: classes that lessons {'show' if part == 'seen' else 'never show'}")
    legend(figure)
    teachers = len({r["trial"] for r in heirs if r["case"] == cases[0]}) if cases else 0
    note(figure, f"mean of {teachers} teachers and of their heirs; intervals: in the table")
    return {"captions": figure}
