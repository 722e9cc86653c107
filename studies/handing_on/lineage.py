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

With `--selection` below 1 the lines are one population: so large a share of a generation, the chips that are
right most often on a fifth of the training images withheld from all of them, teaches the next, each as many
heirs as it can. `founders` is how many of the first generation still have descendants. Chips of one
population are not independent, and the intervals are those of its chips, not of populations; `below` compares
with the founder of the same place.

Published beside ours: none found.

Open questions: what is kept on devices whose cells have few levels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf
from statistics import fmean
from typing import Annotated

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from analog import Chip, Ledger, Mismatched, Port, Probe, Reading, metered, stream
from analog.port import rewired
from distill import SoftLabels, distillation_steps
from learners import Batch
from learners.data import Dataset, batches, held_out, load_data

from ..kit.metrics.accuracy import predicted_classes, share_right
from ..kit.metrics.mean_interval import mean_interval
from ..kit.recipes.published_learner import published_learner
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import train_from_labels
from ..kit.report.figures import INTERVAL, legend, looks, note, panels
from ..kit.report.tables import mean_with_interval, percent
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, CountOrZero, Positive, Range, Share
from ..kit.run.study import Row
from .rehearsal import SoftLabelsWithRehearsal

SPLIT = 4  # batches of an heir for each of its founder's: more steps from as many reads
FASTER = 3.0  # rate of an heir over its founder's; both chosen on held-out digits


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    # labelled examples kept for rehearsal, each a trial
    rehearsal: tuple[CountOrZero, ...] = (0, 100)
    selection: tuple[Share, ...] = (1.0,)  # of a generation, the best, teaches the next; each a trial
    lineages: Annotated[int, Range(2)] = 16  # at least 2
    generations: Count = 30  # after the founder
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # of every generation; by default 45, or 15 on large data
    temperature: Positive = 4.0  # of every teacher's answers


TOY = Args(lineages=2, generations=2, epochs=0.2, hidden=8, rehearsal=(0, 50), selection=(1.0, 0.5))


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    rehearsal: int = 0
    selection: float = 1.0

    @property
    def name(self) -> str:
        rehearsed = f"{self.rehearsal} rehearsed" if self.rehearsal else "no rehearsal"
        return rehearsed if self.selection == 1 else f"{rehearsed}, the best {self.selection:g} teach"

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "lineage", *path)  # every trial sees the same founders and stimuli


def plan(args: Args) -> list[Trial]:
    return [Trial(args, r, s) for r in args.rehearsal for s in args.selection]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    judges = None
    if min(args.selection) < 1:
        split = held_out(data)
        data, judges = data._replace(train=split.train), split.test
    size = training_size(data, hidden=args.hidden, epochs=args.epochs)
    parents = _chips(trial, data, size, 0)
    train_from_labels(
        parents, data, size, trial.generator("founder", "data"), trial.generator("founder", "probes")
    )
    founder_classes = predicted_classes(parents.port(), data.test.x)
    again = share_right(predicted_classes(parents.port(), data.test.x), founder_classes)
    ancestors = torch.arange(args.lineages)  # of each present chip, its founder
    yield from _rows(trial, data, 0, founder_classes, founder_classes, founder_classes, ancestors)
    yield {**_about(trial), "what": "founder, read again", "agreement": float(again.mean())}
    parent_classes, stimuli = founder_classes, _stimuli(trial, data)
    for generation in range(1, args.generations + 1):
        heirs = _chips(trial, data, size, generation)
        ledger = Ledger(heirs.spec)
        teachers = _teachers(trial, parents.port(), judges)
        answering = parents.port() if trial.selection == 1 else _answering(parents.port(), teachers)
        _teach(trial, data, size, answering, metered(heirs.port(), ledger), stimuli, generation)
        parents.die()
        classes, ancestors = predicted_classes(heirs.port(), data.test.x), ancestors[teachers]
        came_from = founder_classes[ancestors], parent_classes[teachers]
        yield from _rows(trial, data, generation, classes, *came_from, ancestors, ledger)
        parents, parent_classes = heirs, classes


def _about(trial: Trial) -> Row:
    return {"rehearsal": trial.rehearsal, "selection": trial.selection}


def _teachers(trial: Trial, port: Port, judges: Batch | None) -> Tensor:
    """The teacher of each chip of the next generation: that of its own line, or one of the best."""
    count = trial.args.lineages
    if judges is None or trial.selection == 1:
        return torch.arange(count)
    right = share_right(predicted_classes(port, judges.x), judges.target)
    best = right.argsort(descending=True, stable=True)[: max(1, round(trial.selection * count))]
    return best[torch.arange(count) % len(best)]


def _answering(port: Port, teachers: Tensor) -> Port:
    """A fleet's port at whose n-th place the chip answers that is the teacher of the n-th heir."""

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps = port.measure(x, probe, first=first, last=last).taps
        return Reading(tuple(tap.index_select(-3, teachers) for tap in taps))

    return rewired(port, read)


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
    ancestors: Tensor,
    ledger: Ledger | None = None,
) -> Iterator[Row]:
    """How well each lineage's present chip answers, and how far it has come from its founder."""
    scores = share_right(classes, data.test.target).tolist()
    agreement = share_right(classes, founder_classes).tolist()
    with_parent = share_right(classes, parent_classes).tolist()
    for lineage, score in enumerate(scores):
        yield {
            **_about(trial),
            "what": "generation",
            "generation": generation,
            "lineage": lineage,
            "founder": int(ancestors[lineage]),
            "accuracy": round(score, 6),
            "agreement": round(agreement[lineage], 6),
            "parent": round(with_parent[lineage], 6),
            "reads": max(ledger.reads) if ledger else None,
            "done": round(generation / trial.args.generations, 4),
        }


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for trial in _trials(rows):
        of_trial = [r for r in rows if _trial_of(r) == trial]
        floor = fmean(r["agreement"] for r in of_trial if r["what"] == "founder, read again")
        chips = [r for r in of_trial if r["what"] == "generation"]
        last = max(r["generation"] for r in chips)
        for generation in sorted({0, 1, 2, 5, 10, 20, 50, last}):
            present = [r for r in chips if r["generation"] == generation]
            if not present:
                continue
            lines.append(
                {
                    "rehearsed": trial[0],
                    "teach": f"{100 * trial[1]:g} %",
                    "generation": generation,
                    "chips": len(present),
                    "founders": len({r.get("founder", r["lineage"]) for r in present}),
                    "right %": mean_with_interval(_course(of_trial, "accuracy")[generation]),
                    "below founder": mean_with_interval(_course(of_trial, "below")[generation]),
                    "agrees %": mean_with_interval(_course(of_trial, "agreement")[generation]),
                    "with parent %": mean_with_interval(_course(of_trial, "parent")[generation]),
                    "founder with itself %": "" if generation else percent(floor),
                }
            )
    return lines


def _trial_of(row: Row) -> tuple[int, float]:
    """Examples rehearsed, and the share of chips that teach."""
    return row["rehearsal"], row.get("selection", 1.0)


def _trials(rows: Sequence[Row]) -> list[tuple[int, float]]:
    return list(dict.fromkeys(_trial_of(r) for r in rows))


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
    look = looks(_trials(rows))
    for axis, (key, words) in zip(axes, kinds.items(), strict=True):
        for trial, shown in look.items():
            values = _course([r for r in rows if _trial_of(r) == trial], key)
            means = {generation: mean_interval(of_lineages) for generation, of_lineages in values.items()}
            places, mean = [*means], [interval.mean for interval in means.values()]
            label = _label(*trial)
            axis.plot(places, mean, label=label, **shown)
            halves = [0.0 if isinf(i.half_width) else i.half_width for i in means.values()]
            low, high = ([m + sign * h for m, h in zip(mean, halves, strict=True)] for sign in (-1, 1))
            axis.fill_between(places, low, high, color=shown["color"], alpha=0.2, lw=0)
        axis.set(xlabel="generation", ylabel=words)
    legend(figure)
    lineages = len({r["lineage"] for r in rows if r["what"] == "generation"})
    note(figure, f"mean of {lineages} chips a generation; bands: {INTERVAL}")
    return {"lineage": figure}


def _label(rehearsal: int, selection: float) -> str:
    told = f"{rehearsal} labeled examples rehearsed" if rehearsal else "no label after the founder"
    return told if selection == 1 else f"{told}, the best {100 * selection:g} % teach"
