"""A student repeats the particular mistakes of a teacher that learnt bad labels, and may outdo it then.

Half of the training images get labels of which a share is random (drawn from all classes, so that a tenth
of these are right by chance), and teacher chips learn them, each pair of teacher and student other ones.
Fresh chips learn what the teacher answers softly, on the images it learnt or on the other half, which nobody
labelled. Beside them, on the same chips: the teacher's own bad labels again, other bad labels, right labels.
All of them get as many lessons.

`same mistakes` is how many of its teacher's wrong test answers a chip repeats exactly, `kappa` Cohen's kappa
of the classes named, `errors' kappa` that of who is right and who wrong; those taught by the same bad labels
are the independent control (`closed`: see `distill.fidelity`).

`beside teacher` is the paired difference of accuracies, student less teacher (as it answers when read
again), in points; `beside same labels` that to the same chips taught by the teacher's own bad labels.

Published beside ours: Guan, Gulshan, Dai and Hinton, "Who said what" (2017,
https://arxiv.org/abs/1703.08774), numbers from memory: a convolutional network on MNIST errs in 1.01 % after
right labels, in 2.29 % when half of them were wrong: it outdoes its labels. Another network, by backprop,
with labels that are wrong by other chances. Hinton's talk: students learn from a teacher's mistakes. None by
perturbation.

Open questions: whether stopping early, which a mortal teacher may have to, would serve its student better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Mismatched, Port, stream
from distill import Fidelity, distillation_steps
from distill.fidelity import cohen_kappa
from learners import Batch, CrossEntropy, fit
from learners.data import Dataset, batches, load_data, take
from learners.evaluation import predict

from ..kit.metrics.likeness import likeness_row
from ..kit.recipes.published_learner import published_learner
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.report.figures import GRAY, INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import (
    fixed,
    mean_with_interval,
    percent,
    percent_with_interval,
    points_between,
)
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive, Share
from ..kit.run.study import Row


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    shares: tuple[Share, ...] = (0.2, 0.5, 0.8)  # of the labels that are random
    teachers: Count = 10  # for each share, with labels and students of their own
    epochs: Positive | None = None  # over one half of the images; by default 45, or 15 on large data
    temperature: Positive = 4.0  # of the teacher's answers


TOY = Args(shares=(0.5,), teachers=2, epochs=0.3)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    share: float = 0.5

    @property
    def name(self) -> str:
        return f"{self.share:g} of the labels random"

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "mistakes", *path)  # all shares see the same


def plan(args: Args) -> list[Trial]:
    return [Trial(args, share) for share in args.shares]


class _Halves(NamedTuple):
    """The training images in two halves, and the chips that learn from them."""

    trial: Trial
    data: Dataset  # its training half is what teachers learn
    held_back: Batch  # the other half
    size: TrainingSize

    def chips(self, first: int, noise_seed: int) -> Chip:
        args, layers = self.trial.args, network(self.data, self.size.hidden)
        first += args.first_identity(2)
        who = range(first, first + args.teachers)
        return Chip(args.device, layers, who, noise_seed=args.seed + noise_seed)

    def indices(self, who: str) -> Iterator[Tensor]:
        """Which examples of a half come in each batch."""
        numbered = Batch(self.data.train.x, torch.arange(len(self.data.train.x)))
        order = self.trial.generator(who, "data")
        return (b.target for b in batches(numbered, self.size.batch, self.size.epochs, order))

    def train(self, labels: Tensor, chip: Chip, who: str) -> Port:
        """Train chips from labels (chips, examples) of the first half."""
        examples = (Batch(self.data.train.x[i], labels[:, i]) for i in self.indices(who))
        learner = published_learner(self.data, self.size)(CrossEntropy())
        for _ in fit(learner, chip.port(), examples, self.trial.generator(who, "probes")):
            pass
        return chip.port()

    def train_student(self, labels: Tensor) -> Port:
        """Train the chips that students are made on from labels (chips, examples) instead."""
        return self.train(labels, self.chips(1_000_000, 1), "student")

    def teach_student(self, teacher: Port, images: Tensor) -> Port:
        """Teach chips what each one's teacher answers to these images."""
        student = self.chips(1_000_000, 1).port()
        for _ in distillation_steps(
            teacher,
            student,
            published_learner(self.data, self.size),
            (Batch(images[i]) for i in self.indices("student")),
            temperature=self.trial.args.temperature,
            generator=self.trial.generator("student", "probes"),
        ):
            pass
        return student


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    half = len(data.train.x) // 2
    order = torch.randperm(2 * half, generator=trial.generator("halves"))
    learned, held_back = take(data.train, order[:half]), take(data.train, order[half:])
    size = training_size(data, epochs=args.epochs)
    halves = _Halves(trial, data._replace(train=learned), held_back, size)
    bad, others = (
        corrupt_labels(learned.target, trial.share, data.classes, args.teachers, trial.generator(word))
        for word in ("bad labels", "other bad labels")
    )
    teacher = halves.train(bad, halves.chips(0, 0), "teacher")
    x, right = data.test.x, data.test.target
    first, again = predict(teacher, x), predict(teacher, x)
    control = predict(halves.train_student(bad), x)
    about = {"share": trial.share, "labels_right": float((bad == learned.target).double().mean())}

    def row(targets: str, out: Tensor, done: float) -> Row:
        fidelity = Fidelity.of(first, again, out, control, right)
        errors = cohen_kappa(first.argmax(-1) == right, out.argmax(-1) == right)
        closed = {"closed": fidelity.closed, "closed_divergence": fidelity.closed_divergence}
        case = {"what": "chips", **about, "targets": targets, "done": done}
        return case | likeness_row(fidelity.student) | {"errors_kappa": float(errors.mean())} | closed

    yield row("teacher, read again", again, 0.2)
    yield row("the same bad labels", control, 0.4)
    yield row("soft, same images", predict(halves.teach_student(teacher, learned.x), x), 0.55)
    yield row("soft, images held back", predict(halves.teach_student(teacher, held_back.x), x), 0.7)
    yield row("other bad labels", predict(halves.train_student(others), x), 0.85)
    right_labels = learned.target.expand(args.teachers, half)
    yield row("right labels", predict(halves.train_student(right_labels), x), 1.0)


def corrupt_labels(labels: Tensor, share: float, classes: int, count: int, generator: Generator) -> Tensor:
    """Draw each label anew from all classes, with a chance of `share`: (count, examples)."""
    shape = (count, len(labels))
    chance = torch.rand(shape, generator=generator)
    random_labels = torch.randint(classes, shape, generator=generator)
    return torch.where(chance < share, random_labels, labels)


def table(rows: Sequence[Row]) -> list[Row]:
    return [_line(r, {o["targets"]: o for o in rows if o["share"] == r["share"]}) for r in rows]


def _line(row: Row, of_share: dict[str, Row]) -> Row:
    """The table's line of one kind of lessons, beside the others of as many random labels."""
    own, teacher, control = (
        r["accuracy"] for r in (row, of_share["teacher, read again"], of_share["the same bad labels"])
    )
    return {
        "random %": f"{100 * row['share']:g}",
        "labels right %": percent(row["labels_right"]),
        "taught by": row["targets"],
        "pairs": len(own),
        "right %": percent_with_interval(own),
        "beside teacher": "" if own is teacher else points_between(own, teacher),
        "beside same labels": "" if own is control else points_between(own, control),
        "agrees %": percent_with_interval(row["agreements"]),
        "closed %": percent(row["closed"]),
        "KL": mean_with_interval(row["divergences"], 3),
        "KL closed %": percent(row["closed_divergence"]),
        "same mistakes %": percent(row["repeated"]),
        "kappa": fixed(row["kappa"], 3),
        "errors' kappa": fixed(row["errors_kappa"], 3),
    }


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (left, right) = panels(2, width=3.6, height=3.2)
    for kind, look in looks(r["targets"] for r in rows).items():
        of_kind = [r for r in rows if r["targets"] == kind]
        scores = {100 * r["share"]: [100 * a for a in r["accuracy"]] for r in of_kind}
        course(left, scores, label=kind, **look)
        known = [r for r in of_kind if r["repeated"] is not None]
        right.plot([100 * r["share"] for r in known], [100 * r["repeated"] for r in known], **look)
    labels = {100 * r["share"]: 100 * r["labels_right"] for r in rows}
    left.plot([*labels], [*labels.values()], ":", color=GRAY, label="the bad labels")
    left.set(xlabel="random labels, %", ylabel="test accuracy, %")
    right.set(xlabel="random labels, %", ylabel="of the teacher's mistakes repeated, %")
    legend(figure)
    pairs = max((len(r["accuracy"]) for r in rows), default=0)
    note(figure, f"mean of {pairs} pairs of teacher and student; bands: {INTERVAL}")
    return {"mistakes": figure}
