"""Without a label, chips come to show what a linear read-out needs: agreement, learned by measurements.

Chips are taught by local contrastive agreement, through wires alone and with no labels, by one of two
objectives: two views of an image (shifted, turned, scaled, sheared) agree; or what each patch of a view
shows agrees with the average of the other patches of the other view, at two levels of two layers, greedily.
Then they are frozen, and a linear read-out of all their taps (logistic regression, digital) is fitted to 10,
100, 1,000 or all labels. Gradients are told by node perturbation, or by mirrors of layers, which signs added
to what drives these teach (`learners.local.MirroredFeedback`). Beside them: untrained chips of the same
wiring, the exact gradient of the same chips by x-ray, and as many hidden neurons taught in place by the same
labels and views.

Published beside ours: Ren et al. (ICLR 2023, https://arxiv.org/abs/2210.03310), contrastive, linear read-out
of CIFAR-10, M/8/16, test error: backprop 24.11 %, perturbed activities without local losses 54.59 %, with
them and groups 32.88 %. For MNIST by perturbation we found none.

Theirs is another network on other data, without noise, with one direction a step; and `beside untrained` says
what learning brings: the paired difference, at all labels, to the same chips as they were made. Both
objectives stand in one table. With other patches each loss has many parts, for which there is no control
variate, so that estimates by perturbation are the plain ones; with two views they are those of learned
feedback. A mirror knows all outputs of a layer at once and does not ask how many parts a loss has.

Open questions: what deeper levels add; how much the choice of views is a label in disguise.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt
from statistics import fmean
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Ideal, Layer, Ledger, Mismatched, dense, grouped, metered, patches, stream
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    Feedback,
    Loss,
    NodePerturbation,
    Step,
    Update,
    adam,
    evaluate,
    fit,
    linear_decay,
)
from learners.data import Dataset, draw_batches, held_out, load_data
from learners.learner import Learner
from learners.local import Block, Greedy, InfoNCE, MirroredFeedback, PatchInfoNCE, stack_views
from learners.recipes import PROBE_SIZE

from ..kit.data.augment import ViewRanges, random_view
from ..kit.metrics.accuracy import share_right
from ..kit.metrics.linear_probe import logistic, representations, sample_per_class
from ..kit.recipes.exact_gradient import ExactGradient
from ..kit.recipes.published_learner import learned_feedback
from ..kit.recipes.training_size import is_large, network, size_overrides
from ..kit.report.figures import GRAY, INTERVAL, PALETTE, course, legend, note, panels
from ..kit.report.tables import percent_with_interval, points_between, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import MAY_BE_EMPTY, Count
from ..kit.run.references import reference
from ..kit.run.study import Row

Objective = Literal["two views", "other patches"]
Method = Literal["untrained", "perturbation", "mirrored feedback", "exact gradient", "labels"]
PENALTY = 1.0  # of the read-out's weights; on held-out training data, where 0.1 to 10 hardly differ
DRAWS = 5  # of each number of labels short of all


class Size(NamedTuple):
    """Sizes that suit a data set, chosen on held-out parts of the training data."""

    hidden: int  # neurons of a hidden layer
    outputs: int  # that are to agree, of two views or of each patch
    across: int  # patches along a side
    images: int  # of a batch, each seen twice
    steps: int
    learning_rate: float


SMALL = Size(hidden=128, outputs=16, across=2, images=64, steps=1000, learning_rate=1e-2)
LARGE = Size(hidden=1024, outputs=32, across=2, images=128, steps=1000, learning_rate=3e-3)
VIEWS = ViewRanges()
PROBES = 4
FEEDBACK = Feedback(decay=0.98, estimate_weight=0.03)  # on held-out MNIST .03 beats .2, on noisy chips
TEMPERATURES: Final = {"two views": 0.1, "other patches": 0.2}


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    devices: tuple[AnyDevice, ...] = (Ideal(), Mismatched())
    objectives: tuple[Objective, ...] = get_args(Objective)
    methods: tuple[Method, ...] = get_args(Method)  # labels: once, in place of an objective
    labels: Annotated[tuple[Count, ...], MAY_BE_EMPTY] = (10, 100, 1000)  # beside all
    chips: Count = 5  # identities, a fleet
    hidden: Count | None = None  # neurons of a hidden layer; by default 128, or 1024 on large data
    steps: Count | None = None  # batches learned from; by default 1000
    across: Count | None = None  # patches along a side of an image; by default 2
    held_out: bool = False  # judge by a fifth of the training images, kept from all, and not by the test's


TOY = Args(devices=(Mismatched(),), chips=1, hidden=16, steps=2, labels=(10,))


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched()
    objective: Objective = "two views"
    method: Method = "perturbation"

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, {self.objective}, {self.method}"


def plan(args: Args) -> list[Trial]:
    each = [(d, o, m) for d in args.devices for o in args.objectives for m in args.methods]
    return [Trial(args, *e) for e in each if e[2] != "labels" or e[1] == args.objectives[0]]


def run(trial: Trial) -> Iterator[Row]:
    data, size = load_data(trial.args.data), _size(trial)
    data = held_out(data) if trial.args.held_out else data
    yield from _by_labels(trial, data, size) if trial.method == "labels" else _by_views(trial, data, size)


def _size(trial: Trial) -> Size:
    args, data = trial.args, load_data(trial.args.data)
    overrides = size_overrides(hidden=args.hidden, steps=args.steps, across=args.across)
    size = (LARGE if is_large(data) else SMALL)._replace(**overrides)
    if size.hidden < size.across**2:  # a neuron or more for each patch
        raise ValueError(f"hidden is {size.hidden}, wanted at least {size.across**2}")
    return size


class Level(NamedTuple):
    """Some layers, and the objective of what the last of them shows."""

    layers: tuple[Layer, ...]
    loss: Loss


def levels(objective: Objective, data: Dataset, size: Size) -> tuple[Level, ...]:
    """The wiring for an objective, level by level."""
    temperature = TEMPERATURES[objective]
    if objective == "two views":
        layers = dense(data.features, size.hidden), dense(size.hidden, size.outputs, linear=True)
        return (Level(layers, InfoNCE(temperature=temperature)),)
    side, count = isqrt(data.features), size.across**2
    outputs, hidden = count * size.outputs, size.hidden // count * count
    loss = PatchInfoNCE(count, temperature, views=2)
    on_image = patches((1, side, side), side // size.across, hidden // count, shared=False)
    upper = dense(outputs, hidden), grouped(hidden, outputs, count)
    return Level((on_image, grouped(hidden, outputs, count)), loss), Level(upper, loss)


def _by_views(trial: Trial, data: Dataset, size: Size) -> Iterator[Row]:
    """Teach without labels (or not at all), freeze, read out."""
    args, stack = trial.args, levels(trial.objective, data, size)
    layers = tuple(layer for level in stack for layer in level.layers)
    chip = Chip(trial.device, layers, args.identities(args.chips), noise_seed=args.seed)
    port, ledger = chip.port(), Ledger(chip.spec)
    if trial.method != "untrained":
        learner = _learner(trial, chip, stack, linear_decay(adam(size.learning_rate), size.steps))
        views = _view_pairs(data.train, size, _generator(trial, "data"))
        learning = fit(learner, metered(port, ledger), views, _generator(trial, "probes"))
        yield from _curve(trial, learning, size.steps, stack[-1].loss.parts)
    parts = [level.loss.parts for level in stack for _ in level.layers]
    train, test = (representations(port, half.x, parts) for half in (data.train, data.test))
    pool = Batch(torch.arange(len(data.train.x)), data.train.target)
    counts = (*args.labels, None)
    for number, count in enumerate(counts, 1):
        scores = []
        for draw in range(DRAWS if count else 1):
            labeled = _labeled(trial, pool, count, data.classes, draw)
            readouts = [logistic(x[labeled.x], labeled.target, data.classes, PENALTY) for x in train]
            classes = torch.stack([readout(x) for readout, x in zip(readouts, test, strict=True)])
            scores.append(share_right(classes, data.test.target))
        done = 1 - 0.1 * (1 - number / len(counts))
        yield _end(trial, count, torch.stack(scores).mean(0), ledger, done)


def _curve(trial: Trial, learning: Iterator[tuple[Any, Step]], total: int, parts: int) -> Iterator[Row]:
    """Now and then, what is to be made small: nats for each part of the last level, over the last steps."""
    losses: list[float] = []
    pauses = {round(total ** (k / 11)) for k in range(12)}
    for number, (_, step) in enumerate(learning, 1):
        losses.append(float(step.loss.mean()) / parts)
        if number in pauses:
            about = {"what": "curve", **_about(trial), "step": number}
            yield {**about, "loss": fmean(losses[-20:]), "done": round(0.9 * number / total, 4)}


def _learner(trial: Trial, chip: Chip, stack: Sequence[Level], update: Update) -> Greedy:
    blocks, first = [], 0
    for level in stack:
        last = first + len(level.layers) - 1
        learner: Learner = ExactGradient(chip, update, level.loss, first, last)
        if trial.method == "perturbation":
            whole = level.loss.parts == 1
            estimator = NodePerturbation(PROBE_SIZE, PROBES)
            feedback = FEEDBACK if whole else None
            learner = Descent(estimator, update, level.loss, delta_rule=whole, control_variate=feedback)
        elif trial.method == "mirrored feedback":
            learner = MirroredFeedback(update, level.loss)
        blocks.append(Block(len(level.layers), learner))
        first = last + 1
    return Greedy(blocks)


def _view_pairs(train: Batch, size: Size, generator: Generator) -> Iterator[Batch]:
    """Two views of each image, and nothing else."""
    for batch in draw_batches(train, size.images, size.steps, generator):
        first, second = (random_view(batch.x, VIEWS, generator) for _ in range(2))
        yield Batch(stack_views(first, second))


def _by_labels(trial: Trial, data: Dataset, size: Size) -> Iterator[Row]:
    """Teach by labels, the same number of steps on views of labeled images; each chip has its own draw."""
    args, counts = trial.args, (*trial.args.labels, None)
    for number, count in enumerate(counts, 1):
        draws = [_labeled(trial, data.train, count, data.classes, chip) for chip in range(args.chips)]
        pool = Batch(torch.stack([d.x for d in draws], 1), torch.stack([d.target for d in draws], 1))
        chip = Chip(
            trial.device, network(data, size.hidden), args.identities(args.chips), noise_seed=args.seed
        )
        port, ledger = chip.port(), Ledger(chip.spec)
        generator, update = _generator(trial, "data"), linear_decay(adam(size.learning_rate), size.steps)
        views = (
            Batch(random_view(x.flatten(0, 1), VIEWS, generator).view_as(x).transpose(0, 1), y.mT)
            for x, y in draw_batches(pool, 2 * size.images, size.steps, generator)
        )
        learner = learned_feedback(PROBES, update)(CrossEntropy())
        for _ in fit(learner, metered(port, ledger), views, _generator(trial, "probes")):
            pass
        yield _end(trial, count, evaluate(port, data.test), ledger, number / len(counts))


def _labeled(trial: Trial, pool: Batch, count: int | None, classes: int, draw: int) -> Batch:
    generator = stream(trial.args.seed, "contrastive", "labels", draw)  # the same for every method
    return pool if count is None else sample_per_class(pool, count, classes, generator)


def _generator(trial: Trial, what: str) -> Generator:
    return stream(trial.args.seed, "contrastive", trial.objective, what)


def _about(trial: Trial) -> Row:
    objective = "none" if trial.method == "labels" else trial.objective
    return {"device": reference(trial.device), "objective": objective, "method": trial.method}


def _end(trial: Trial, labels: int | None, scores: Tensor, ledger: Ledger, done: float) -> Row:
    return {
        "what": "end",
        **_about(trial),
        "labels": labels,  # None: all there are
        "accuracy": [round(s, 6) for s in scores.tolist()],  # of each chip
        "reads": max(ledger.reads),
        "done": round(done, 4),
    }


def table(rows: Sequence[Row]) -> list[Row]:
    """Test error, %, by the number of labels that the read-out has seen; both objectives in one table."""
    ends = [r for r in rows if r["what"] == "end"]
    lines: dict[tuple[str, ...], Row] = {}
    for row in ends:
        key = (row["device"].rpartition(":")[2], row["objective"], row["method"])
        line = lines.setdefault(key, dict(zip(("device", "objective", "method"), key, strict=True)))
        line["chips"], errors = len(row["accuracy"]), [1 - a for a in row["accuracy"]]
        line[f"{row['labels'] or 'all'} labels, error %"] = percent_with_interval(errors)
        before = [r for r in ends if r["method"] == "untrained" and _same_case(r, row)]
        if row["labels"] is None:
            is_untrained = not before or row["method"] == "untrained"
            errors_before = [] if is_untrained else [1 - a for a in before[0]["accuracy"]]
            line["beside untrained"] = "" if is_untrained else points_between(errors, errors_before)
            line["reads"] = short_number(row["reads"], 3)
    return list(lines.values())


def _same_case(one: Row, other: Row) -> bool:
    """Whether two rows are of the same chips, read out by as many labels."""
    return all(one[key] == other[key] for key in ("device", "objective", "labels"))


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    ends = [r for r in rows if r["what"] == "end"]
    devices = list(dict.fromkeys(r["device"] for r in ends))
    figure, axes = panels(len(devices), width=3.6, height=3.2, sharey=True)
    colors = {"two views": PALETTE[0], "other patches": PALETTE[1], "none": "black"}
    styles = {"untrained": (":", "o"), "perturbation": ("-", "s"), "exact gradient": ("--", "D")}
    styles |= {"mirrored feedback": ("-.", "v"), "labels": ("-", "^")}
    rightmost = 10 * max([r["labels"] for r in ends if r["labels"]], default=1)  # where "all" is drawn
    for axis, device in zip(axes, devices, strict=False):
        of_device = [r for r in ends if r["device"] == device]
        for objective, method in dict.fromkeys((r["objective"], r["method"]) for r in of_device):
            points = [r for r in of_device if (r["objective"], r["method"]) == (objective, method)]
            errors = {p["labels"] or rightmost: [100 - 100 * a for a in p["accuracy"]] for p in points}
            line, marker = styles[method]
            label = method if objective == "none" else f"{objective}, {method}"
            course(axis, errors, color=colors[objective], ls=line, marker=marker, label=label)
        axis.set(title=device.rpartition(":")[2], xscale="log", yscale="log")
        axis.axvline(rightmost, color=GRAY, lw=0.6, ls=":")
    for axis in axes:
        axis.set(xlabel="labels (dotted: all)", ylabel="test error of a linear read-out, %")
    legend(figure)
    chips = max((len(r["accuracy"]) for r in ends), default=0)
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}")
    return {"contrastive": figure}
