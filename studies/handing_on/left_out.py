"""A student chip that never sees a class learns it from a teacher's soft answers, but for how often it comes.

A teacher chip learns from all labels, in place. Fresh chips learn what it answers to images without a class
(or with 7s and 8s only), as many lessons as if nothing were left out, by learned feedback
(node perturbation that teaches a backward model). Then a digital bias of each left-out class is added to
their outputs, so that its mean probability meets a prior:
- by frequency: how often the class came among the teacher's labels, over all training images, without
  labels: the student is read for them, and learns nothing. `all by frequency` does so with every class.
- by the teacher: the teacher's mean probability of it, over the very images that the student was taught
  with. This needs no other image, and helps little: on these, students meet the teacher already.
No test image is consulted. The temperature was chosen on held-out training images, leaving out 1, 5, 8 or 9
(`--held-out --left-out 1 5 8 9 --teachers 1`; T = 1, 2, 4, 10: 4.8, 2.2, 1.7, 1.8 % wrong by frequency).

Published (Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531, section 3; digital, bias tuned on
the test set), errors of 10,000: without 3s 206, with a bias of 3.5 109, of 1,010 threes 133 and 14; with 7s
and 8s only 47.3 % and 13.2 %.

Ours and theirs are not one measurement: their network is larger and digital and their bias was tuned on test
data; our students are read on all training images without labels, those of the left-out class among them,
and are told how often each class comes, which theirs were not.

Open questions: whether fewer unlabeled images would do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Mismatched, Port, stream
from distill import distillation_steps, fit_prior_bias, with_output_bias
from distill.stimuli import drop_classes
from learners import Batch, adam, linear_decay
from learners.data import count_steps, draw_batches, held_out, load_data
from learners.evaluation import predict

from ..kit.metrics.accuracy import predicted_classes
from ..kit.recipes.published_learner import learned_feedback
from ..kit.recipes.training_size import training_size
from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import percent_with_interval, points_between
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row
from .teacher import Teacher, train_teacher

METHODS: Final = {
    "as taught": "nothing is added",
    "by frequency": "left-out classes: their frequency, over unlabeled images of all classes",
    "all by frequency": "all classes: likewise",
    "by the teacher": "left-out classes: the teacher's mean answer, over the images that students saw",
}


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    left_out: tuple[str, ...] = (*map(str, range(10)), "0,1,2,3,4,5,6,9")  # classes; each by heirs of its own
    teachers: Count = 5  # each a trial of its own
    heirs: Count = 4  # fresh chips for each
    # of teachers; heirs make as many steps; by default 45, or 15 on large data
    epochs: Positive | None = None
    temperature: Positive = 4.0  # of the teacher's answers
    held_out: bool = False  # judge by a fifth of the training images, kept from all, and not by the test's


TOY = Args(left_out=("3", "0,1"), teachers=1, heirs=2, epochs=0.3)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"teacher {self.teacher}"

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "left out", self.teacher, *path)


def plan(args: Args) -> list[Trial]:
    return [Trial(args, i) for i in range(args.teachers)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    left_out = {words: _classes(words, data.classes) for words in args.left_out}
    data = held_out(data) if args.held_out else data
    size = training_size(data, heirs=args.heirs, epochs=args.epochs)
    order, probes = trial.generator("data"), trial.generator("probes")
    first = args.first_identity(args.teachers) + 1_000_000 * trial.teacher
    teacher = train_teacher(args.device, data, size, first, noise_seed=args.seed, order=order, probes=probes)
    teacher_classes = predicted_classes(teacher.chip.port(), data.test.x)
    for number, (words, classes) in enumerate(left_out.items()):
        about = {"left_out": words, "done": round((number + 1) / len(left_out), 4)}
        yield {"what": "teacher", "chip": first, **_counts(teacher_classes, data.test, classes), **about}
        for row in _heirs(trial, teacher, words, classes, first + 1_000 * (number + 1)):
            yield {**row, **about}


def _heirs(trial: Trial, teacher: Teacher, words: str, classes: tuple[int, ...], first: int) -> Iterator[Row]:
    """Fresh chips learn without some classes; then a bias is added to their outputs, by every method."""
    chip, data, size = teacher
    pool = drop_classes(data.train, classes).unlabeled
    total = count_steps(data.train, size.batch, size.epochs)  # as many as if nothing were left out
    students = teacher.fresh_chips(first, noise_seed=trial.args.seed + 1)
    heirs = students.port()
    for _ in distillation_steps(
        chip.port(),
        heirs,
        learned_feedback(size.probes, linear_decay(adam(size.learning_rate), total)),
        draw_batches(pool, size.batch, total, trial.generator(words, "data")),
        temperature=trial.args.temperature,
        generator=trial.generator(words, "probes"),
    ):
        pass
    for method, bias in _biases(chip.port(), heirs, data.train, pool.x, classes).items():
        predicted = predicted_classes(with_output_bias(heirs, bias), data.test.x)
        for row, heir in enumerate(students.identities):
            mean_bias = round(float(bias[row, list(classes)].mean()), 4)
            counts = _counts(predicted[row], data.test, classes)
            yield {"what": method, "chip": heir, "bias": mean_bias, **counts}


def _biases(
    teacher: Port, heirs: Port, train: Batch, stimuli: Tensor, classes: tuple[int, ...]
) -> dict[str, Tensor]:  # (heirs, classes)
    """The biases of all `METHODS`; of the training labels, only how often each class comes is used."""
    frequency = torch.bincount(train.target).double() / len(train.target)
    teacher_mean = predict(teacher, stimuli).double().softmax(-1).mean(0)
    out_of_all, out_of_stimuli = predict(heirs, train.x), predict(heirs, stimuli)
    return {
        "as taught": torch.zeros(len(out_of_all), len(frequency)),
        "by frequency": fit_prior_bias(out_of_all, {c: float(frequency[c]) for c in classes}),
        "all by frequency": fit_prior_bias(out_of_all, dict(enumerate(frequency.tolist()))),
        "by the teacher": fit_prior_bias(out_of_stimuli, {c: float(teacher_mean[c]) for c in classes}),
    }


def _classes(words: str, count: int) -> tuple[int, ...]:
    """Class numbers as on the command line, 3 or 0,1,2."""
    classes = tuple(int(w) if w.strip().isdecimal() else -1 for w in words.split(","))
    if not all(0 <= c < count for c in classes) or not len({*classes}) == len(classes) < count:
        raise ValueError(
            f"left_out: {words!r}, wanted some but not all classes of 0 to {count - 1}, like 3 or 0,1"
        )
    return classes


def _counts(predicted: Tensor, test: Batch, classes: tuple[int, ...]) -> Row:
    """How many of one chip's answers are wrong, and how many of those to classes that were left out."""
    wrong, unseen = predicted != test.target, torch.isin(test.target, torch.tensor(classes))
    counts = {"wrong": wrong, "wrong_left_out": wrong & unseen, "left_out_images": unseen}
    return {"images": len(wrong), **{word: int(which.sum()) for word, which in counts.items()}}


def table(rows: Sequence[Row]) -> list[Row]:
    """A line for each left-out class: of all test images wrong %, of those of the class right %.

    Means over teachers, each with the mean of its heirs; `gained` is what the bias by frequency brings to the
    classes left out, in points, paired by teacher.
    """
    every = list(dict.fromkeys(r["left_out"] for r in rows))
    single = [w for w in every if "," not in w]
    groups = {w: [w] for w in every} | ({"one class, mean": single} if len(single) > 1 else {})
    lines = []
    for name, words in groups.items():
        of_group = [r for r in rows if r["left_out"] in words]
        teachers = list(dict.fromkeys(r["trial"] for r in of_group))
        line: Row = {"left out": name, "teachers": len(teachers)}
        right: dict[str, list[float]] = {}
        for what in ("teacher", *METHODS):
            cases = [[r for r in of_group if (r["trial"], r["what"]) == (t, what)] for t in teachers]
            right[what] = [_right(case) for case in cases]
            wrong = percent_with_interval([_wrong(case) for case in cases])
            line[what] = f"{wrong} / {percent_with_interval(right[what])}"
        lines.append(line | {"gained": points_between(right["by frequency"], right["as taught"])})
    return lines


def _wrong(rows: Sequence[Row]) -> float:
    """Share of all test images, mean over chips."""
    return fmean(r["wrong"] / r["images"] for r in rows)


def _right(rows: Sequence[Row]) -> float:
    """Share of the test images of left-out classes, all chips together."""
    return 1 - sum(r["wrong_left_out"] for r in rows) / max(1, sum(r["left_out_images"] for r in rows))


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    every = list(dict.fromkeys(r["left_out"] for r in rows))
    figure, (left, right) = panels(2, width=3.6, height=1 + 0.3 * len(every), sharey=True)
    for number, (what, look) in enumerate(looks(("teacher", *METHODS)).items()):
        groups = [[r for r in rows if (r["left_out"], r["what"]) == (w, what)] for w in every]
        cases = [(place, group) for place, group in enumerate(groups) if group]
        places = [place + 0.12 * (number - 2) for place, _ in cases]
        dots = {**look, "ls": ""}
        left.plot([100 * _wrong(group) for _, group in cases], places, label=what, **dots)
        right.plot([100 * _right(group) for _, group in cases], places, **dots)
    left.set_yticks(range(len(every)), [f"without {w}" for w in every])
    left.set(xlabel="wrong of all test images, %", xscale="log")
    right.set(xlabel="right of the classes left out, %")
    legend(figure)
    chips = len({r["chip"] for r in rows if r["what"] == "teacher"})
    note(figure, f"mean of {chips} teachers and of their students; intervals: in the table")
    return {"left_out": figure}
