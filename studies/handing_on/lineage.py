"""Knowledge outlives thirty generations of noisy chips, each taught only by the one before.

A founder learns from labels, in place. It teaches a fresh chip by its answers, which teaches the next, and so
on; nobody hears a label again, unless a few labelled examples were kept for rehearsal. Lineages are
independent: generation g of all of them is one fleet, taught by the fleet before it. `agreement` is with the
founder, `parent` with the generation before, both on test data; `below` is the founder's accuracy less that
of its descendant, and the interval is that of Student's t over lineages, 95 %.

Heirs take more and smaller steps than their founder, from as many reads (1 % more, by rounding): on held-out
digits one generation taught by the exact gradient lost as much as one taught by perturbation, and four times
the steps lost nothing, so that what is lost is unfinished learning and not noise. The examples rehearsed are
training images, on which heirs agree with their teachers anyway.

Published beside ours: none found.

Open questions: what is kept on devices whose cells have few levels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf
from statistics import fmean
from typing import Annotated, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from analog import Chip, Ledger, Mismatched, Port, metered, stream
from distill import DistillationLoss, SoftLabels, TeacherTarget, distillation_steps
from learners import Batch, Loss
from learners.data import Dataset, batches, load_data

from ..kit.metrics.accuracy import predicted_classes, share_right
from ..kit.metrics.mean_interval import mean_interval
from ..kit.recipes.published_learner import published_learner
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import train_from_labels
from ..kit.report.figures import INTERVAL, legend, looks, note, panels
from ..kit.report.tables import mean_with_interval, percent
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, CountOrZero, Positive, Range
from ..kit.run.study import Row

SPLIT = 4  # batches of an heir for each of its founder's: more steps from as many reads
FASTER = 3.0  # rate of an heir over its founder's; both chosen on held-out digits


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    # labelled examples kept for rehearsal, each a trial
    rehearsal: tuple[CountOrZero, ...] = (0, 100)
    lineages: Annotated[int, Range(2)] = 16  # at least 2
    generations: Count = 30  # after the founder
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # of every generation; by default 45, or 15 on large data
    temperature: Positive = 4.0  # of every teacher's answers


TOY = Args(lineages=2, generations=2, epochs=0.2, hidden=8, rehearsal=(0, 50))


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    rehearsal: int = 0

    @property
    def name(self) -> str:
        return f"{self.rehearsal} rehearsed" if self.rehearsal else "no rehearsal"

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "lineage", *path)  # every trial sees the same founders and stimuli


def plan(args: Args) -> list[Trial]:
    return [Trial(args, r) for r in args.rehearsal]


class RehearsalTarget(NamedTuple):
    """What an heir is told: its teacher's answer, and the label of an example that was kept."""

    answer: TeacherTarget
    label: Tensor  # (batch, classes), one-hot; all zero where nobody knows it


@dataclass(frozen=True)
class RehearsalLoss(Loss):
    """The distillation loss, and on the kept examples the cross-entropy to the label, weighed 1 (Guess)."""

    temperature: float

    def value(self, out: Tensor, target: RehearsalTarget) -> Tensor:
        of_labels = -(target.label * out.log_softmax(-1)).sum(-1, keepdim=True)
        return DistillationLoss(self.temperature).value(out, target.answer) + of_labels

    def gradient(self, out: Tensor, target: RehearsalTarget) -> Tensor:
        """d value / d out, (..., batch, classes)."""
        of_labels = target.label.sum(-1, keepdim=True) * out.softmax(-1) - target.label
        return DistillationLoss(self.temperature).gradient(out, target.answer) + of_labels


@dataclass(frozen=True)
class SoftLabelsWithRehearsal:
    """Soft labels, and beside them the labels of the examples that were kept."""

    temperature: float

    needs_label = True
    draws = False

    @property
    def loss(self) -> RehearsalLoss:
        return RehearsalLoss(self.temperature)

    def encode(self, out: Tensor, label: Tensor | None, generator: Generator | None) -> RehearsalTarget:
        """The softened outputs (..., stimuli, classes), and the labels beside them.

        Raises:
            ValueError: there are no labels.
        """
        if label is None:
            raise ValueError(
                "SoftLabelsWithRehearsal: wanted labels, one-hot or zero where nobody knows them; got None"
            )
        answer = SoftLabels(self.temperature).encode(out, None, generator)
        return RehearsalTarget(answer, label.expand(out.shape))  # every chip of a fleet hears the same labels

    def bits(self, outputs: int) -> int:
        return SoftLabels(self.temperature).bits(outputs)


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden, epochs=args.epochs)
    parents = _chips(trial, data, size, 0)
    train_from_labels(
        parents, data, size, trial.generator("founder", "data"), trial.generator("founder", "probes")
    )
    founder_classes = predicted_classes(parents.port(), data.test.x)
    again = share_right(predicted_classes(parents.port(), data.test.x), founder_classes)
    yield from _rows(trial, data, 0, founder_classes, founder_classes, founder_classes)
    yield {"what": "founder, read again", "rehearsal": trial.rehearsal, "agreement": float(again.mean())}
    parent_classes, stimuli = founder_classes, _stimuli(trial, data)
    for generation in range(1, args.generations + 1):
        heirs = _chips(trial, data, size, generation)
        ledger = Ledger(heirs.spec)
        _teach(trial, data, size, parents.port(), metered(heirs.port(), ledger), stimuli, generation)
        parents.die()
        classes = predicted_classes(heirs.port(), data.test.x)
        yield from _rows(trial, data, generation, classes, founder_classes, parent_classes, ledger)
        parents, parent_classes = heirs, classes


def _chips(trial: Trial, data: Dataset, size: TrainingSize, generation: int) -> Chip:
    """One fresh chip for every lineage."""
    first = trial.args.first_identity(trial.args.generations + 1) + 1_000_000 * generation
    who = range(first, first + trial.args.lineages)
    return Chip(trial.args.device, network(data, size.hidden), who, noise_seed=trial.args.seed)


def _stimuli(trial: Trial, data: Dataset) -> Batch:
    """The training images; of their labels only those that were kept, one-hot."""
    if not trial.rehearsal:
        return data.train.unlabeled
    kept = torch.randperm(len(data.train.x), generator=trial.generator("kept"))[: trial.rehearsal]
    labels = torch.zeros(len(data.train.x), data.classes)
    labels[kept] = one_hot(data.train.target[kept], data.classes).float()
    return Batch(data.train.x, labels)


def _teach(
    trial: Trial,
    data: Dataset,
    size: TrainingSize,
    parents: Port,
    heirs: Port,
    stimuli: Batch,
    generation: int,
) -> None:
    """Teach one generation: as many reads as the founder had, in more and smaller batches."""
    split = size._replace(batch=max(1, size.batch // SPLIT), learning_rate=size.learning_rate * FASTER)
    temperature = trial.args.temperature
    teaching = distillation_steps(
        parents,
        heirs,
        published_learner(data, split),
        batches(stimuli, split.batch, split.epochs, trial.generator("stimuli", generation)),
        answers=SoftLabelsWithRehearsal(temperature) if trial.rehearsal else SoftLabels(temperature),
        generator=trial.generator("heirs", generation),
    )
    for _ in teaching:
        pass


def _rows(
    trial: Trial,
    data: Dataset,
    generation: int,
    classes: Tensor,
    founder_classes: Tensor,
    parent_classes: Tensor,
    ledger: Ledger | None = None,
) -> Iterator[Row]:
    """How well each lineage's present chip answers, and how far it has come from its founder."""
    scores = share_right(classes, data.test.target).tolist()
    agreement = share_right(classes, founder_classes).tolist()
    with_parent = share_right(classes, parent_classes).tolist()
    for lineage, score in enumerate(scores):
        yield {
            "what": "generation",
            "rehearsal": trial.rehearsal,
            "generation": generation,
            "lineage": lineage,
            "accuracy": round(score, 6),
            "agreement": round(agreement[lineage], 6),
            "parent": round(with_parent[lineage], 6),
            "reads": max(ledger.reads) if ledger else None,
            "done": round(generation / trial.args.generations, 4),
        }


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for rehearsal in dict.fromkeys(r["rehearsal"] for r in rows):
        of_trial = [r for r in rows if r["rehearsal"] == rehearsal]
        floor = fmean(r["agreement"] for r in of_trial if r["what"] == "founder, read again")
        last = max(r["generation"] for r in of_trial if r["what"] == "generation")
        for generation in sorted({0, 1, 2, 5, 10, 20, last}):
            if generation > last:
                continue
            lines.append(
                {
                    "rehearsed": rehearsal,
                    "generation": generation,
                    "lineages": len({r["lineage"] for r in of_trial if r["what"] == "generation"}),
                    "right %": mean_with_interval(_course(of_trial, "accuracy")[generation]),
                    "below founder": mean_with_interval(_course(of_trial, "below")[generation]),
                    "agrees %": mean_with_interval(_course(of_trial, "agreement")[generation]),
                    "with parent %": mean_with_interval(_course(of_trial, "parent")[generation]),
                    "founder with itself %": "" if generation else percent(floor),
                }
            )
    return lines


def _course(rows: Sequence[Row], key: str) -> dict[int, list[float]]:
    """By generation, what each lineage has, in percent."""
    of_generations = [r for r in rows if r["what"] == "generation"]
    founders = {r["lineage"]: r["accuracy"] for r in of_generations if r["generation"] == 0}
    values: dict[int, list[float]] = {}
    for r in of_generations:
        value = founders[r["lineage"]] - r["accuracy"] if key == "below" else r[key]
        values.setdefault(r["generation"], []).append(100 * value)
    return values


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, axes = panels(2, width=3.8, height=3.2)
    kinds = {"accuracy": "test accuracy, %", "agreement": "agrees with the founder, %"}
    look = looks(r["rehearsal"] for r in rows)
    for axis, (key, words) in zip(axes, kinds.items(), strict=True):
        for rehearsal, shown in look.items():
            values = _course([r for r in rows if r["rehearsal"] == rehearsal], key)
            means = {generation: mean_interval(of_lineages) for generation, of_lineages in values.items()}
            places, mean = [*means], [interval.mean for interval in means.values()]
            label = f"{rehearsal} labeled examples rehearsed" if rehearsal else "no label after the founder"
            axis.plot(places, mean, label=label, **shown)
            halves = [0.0 if isinf(i.half_width) else i.half_width for i in means.values()]
            low, high = ([m + sign * h for m, h in zip(mean, halves, strict=True)] for sign in (-1, 1))
            axis.fill_between(places, low, high, color=shown["color"], alpha=0.2, lw=0)
        axis.set(xlabel="generation", ylabel=words)
    legend(figure)
    lineages = len({r["lineage"] for r in rows if r["what"] == "generation"})
    note(figure, f"mean of {lineages} lineages; bands: {INTERVAL}")
    return {"lineage": figure}
