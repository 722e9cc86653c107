"""Local targets train a deep autoencoder in fewer epochs than backprop by first-order optimizers.

The benchmark of Amid, Anil and Warmuth (AISTATS 2022, https://arxiv.org/abs/2106.06199):
784-1000-500-250-30-250-500-1000-784, tanh, linear code, binary cross-entropy summed over pixels, MNIST, batch
1000. All methods start from the same weights and see the same batches; each has its rate and one further
setting searched alike (`studies.kit.digital.autoencoder_search`): gamma, or what second-order methods add to
their matrices. Rates warm up over a twentieth of the epochs and fall linearly to zero. Everything else is a
library's default or is said in `studies.kit.digital.baselines` and here.

Published beside ours, training/test loss of LocoProp-M with its own settings (gamma 10, rate 1e-5, heavy
RMSProp, 10 inner steps, schedule over 100 epochs): epoch 2 122.7/121.7, 3 80.7/79.9, 5 65.2/65.7, 10
58.7/61.0, 14 57.0/60.2. Training loss after 100 epochs: SGD 67.65, Nesterov 59.1, Momentum 58.65, AdaGrad
54.4, Adam 53.6, RMSProp 53.3, Shampoo 50 to 52. "LocoProp-M as published" is that run (its first epoch has
rate 0).

What the table may be read for: whether LocoProp-M repeats its published log (same network, data, batches and
settings), and, on a smaller network, the order of methods at settings searched alike. By the source K-FAC and
Shampoo are level with LocoProp; as long as no archived run at full size says otherwise, where they stand here
is our settings and not a finding. LocoProp's momentum and K-FAC's trust region were tried by hand.

LeCun's objection to LocoProp was that target propagation is as old as 1986. So its first form stands here
(`studies.kit.digital.sign_targets`) beside difference target propagation. What distinguishes LocoProp is not
the targets: they lie a step down the gradient, so that nothing travels down but the gradient itself. It is
the local loss that each layer then goes down for many steps; the study `locoprop` takes it apart.

Work is counted in passes of backprop: (2 + 2 T) / 3 for T inner steps, 7/3 for target propagation, not
counted for second-order baselines, whose factorisations are no passes; what a batch takes on a machine, and
loss against seconds, --measure losses times says. Memory is what a learner keeps, in
numbers per weight.

Open questions: the order after 20 or 100 epochs at full size, which takes hours on two cores.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import Literal, get_args

from matplotlib.figure import Figure
from torch import Tensor

from learners.data import load_data

from ..kit.digital.autoencoder_search import mean_loss, searched
from ..kit.digital.autoencoders import Method, Precision, Recipe, as_published, guess, passes, train_epochs
from ..kit.digital.baselines import missing_package
from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import fixed, low_high, mean_with_interval, short_number
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row

PUBLISHED = {2: (122.7, 121.7), 3: (80.7, 79.9), 5: (65.2, 65.7), 10: (58.7, 61.0), 14: (57.0, 60.2)}
AFTER_100 = {
    "SGD": 67.65,
    "Nesterov": 59.1,
    "Momentum": 58.65,
    "AdaGrad": 54.4,
    "Adam": 53.6,
    "RMSProp": 53.3,
}


Measure = Literal["losses", "times"]
TIMED = 9  # batches, of which the first is left out


@dataclass(frozen=True)
class Args:
    methods: tuple[Method, ...] = get_args(Method)
    measure: tuple[Measure, ...] = ("losses",)  # times are measured anew, so their rows are never the same
    data: str = "mnist"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    sizes: tuple[Count, ...] = (1000, 500, 250, 30)  # of the encoder; the decoder mirrors it
    images: Count | None = None  # of the training images; all by default
    batch: Count = 1000
    epochs: Count = 20
    learning_rate: Positive | None = None  # by default searched for each method
    precision: Precision = "float32"  # of products of matrices; bfloat16 is faster on some processors
    seeds: Count = 5  # of weights and batches, each a trial of its own
    seed: int = 0  # the first of them


TOY = Args(
    methods=(
        *("LocoProp-M as published", "Adam", "Shampoo", "K-FAC", "LocoProp-S"),
        *("target propagation", "target propagation 1986"),
    ),
    data="digits",
    sizes=(8, 3),
    images=150,
    batch=50,
    epochs=1,
    seeds=1,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: Method = "LocoProp-M"
    seed: int = 0
    measure: Measure = "losses"

    @property
    def name(self) -> str:
        return f"{self.method}, {self.seed if self.measure == 'losses' else self.measure}"


def plan(args: Args) -> list[Trial]:
    losses = [Trial(args, method, args.seed + i) for i in range(args.seeds) for method in args.methods]
    times = [Trial(args, method, args.seed, "times") for method in args.methods]
    return [t for measure in args.measure for t in (losses if measure == "losses" else times)]


def run(trial: Trial) -> Iterator[Row]:
    if says := missing_package(trial.method):
        yield {"what": "missing", "method": trial.method, "seed": trial.seed, "says": says, "done": 1.0}
        return
    yield from {"losses": _learn, "times": _time}[trial.measure](trial)


def _learn(trial: Trial) -> Iterator[Row]:
    args, work = trial.args, passes(trial.method)
    recipe = _searched(args, trial.method)._replace(seed=trial.seed)
    train, test = _images(args)
    training = train_epochs(recipe, train)
    for epoch, (outputs, memory) in enumerate(training, 1):
        yield {
            "what": "curve",
            "method": trial.method,
            "seed": trial.seed,
            "learning_rate": recipe.learning_rate,
            "second": recipe.second,
            "epoch": epoch,
            "steps": epoch * max(1, len(train) // args.batch),
            "work": None if work is None else round(work * epoch, 4),
            "train": mean_loss(outputs, train),
            "test": mean_loss(outputs, test),
            "memory": round(memory, 4),
            "done": round(epoch / args.epochs, 4),
        }


def _recipe(trial: Trial) -> Recipe:
    """At the guesses of its settings."""
    args, start = trial.args, guess(trial.method)
    return Recipe(trial.method, start, args.sizes, args.batch, args.epochs, trial.seed, args.precision)


@lru_cache
def _images(args: Args) -> tuple[Tensor, Tensor]:
    data = load_data(args.data)
    return data.train.x[: args.images], data.test.x[: args.images]


@lru_cache
def _searched(args: Args, method: Method) -> Recipe:
    trial, train = Trial(args, method, args.seed), _images(args)[0]
    if args.learning_rate is not None:
        return _recipe(trial)._replace(learning_rate=args.learning_rate)
    return searched(_recipe(trial), train)


def _time(trial: Trial) -> Iterator[Row]:
    """Median seconds of a batch, evaluation left out: an epoch of one batch, again and again."""
    train = _images(trial.args)[0][: trial.args.batch]
    marks = [perf_counter()]
    for _ in train_epochs(_recipe(trial)._replace(epochs=TIMED), train):
        marks.append(perf_counter())
    seconds = median(end - begin for begin, end in pairwise(marks[1:]))  # the first makes its memory
    yield {"what": "times", "method": trial.method, "seconds": seconds, "done": 1.0}


def table(rows: Sequence[Row]) -> list[Row]:
    lines: list[Row] = [
        {"method": r["method"], "learning rate": r["says"]} for r in rows if r["what"] == "missing"
    ]
    times = {r["method"]: r["seconds"] for r in rows if r["what"] == "times"}
    for method, seconds in times.items():
        of_adam = fixed(seconds / times["Adam"], 1) if "Adam" in times else ""
        lines.append({"method": method, "ms a batch": fixed(1e3 * seconds, 0), "Adam batches": of_adam})
    curves = [r for r in rows if r["what"] == "curve"]
    for method in dict.fromkeys(r["method"] for r in curves):
        points = [r for r in curves if r["method"] == method]
        last = max(r["epoch"] for r in points)
        for epoch in (*(e for e in PUBLISHED if as_published(method) and e < last), last):
            lines.append(_line(method, epoch, [r for r in points if r["epoch"] == epoch]))
    return lines


def _line(method: Method, epoch: int, rows: Sequence[Row]) -> Row:
    """The table's line of an epoch of a method, over all seeds."""
    published = PUBLISHED.get(epoch) if as_published(method) else None
    return {
        "method": method,
        "learning rate": short_number(rows[0]["learning_rate"]),
        "gamma or damping": short_number(rows[0]["second"]),
        "epoch": epoch,
        "seeds": len(rows),
        "diverged": sum(r["train"] is None for r in rows) or "",
        "train": mean_with_interval([r["train"] for r in rows if r["train"] is not None]),
        "from to": low_high([r["train"] for r in rows if r["train"] is not None]),
        "test": mean_with_interval([r["test"] for r in rows if r["test"] is not None]),
        "published": f"{published[0]}/{published[1]}" if published else f"{AFTER_100.get(method, '')}",
        "passes": short_number(rows[0]["work"], 3),
        "memory": short_number(rows[0]["memory"]),
    }


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    times = {r["method"]: r["seconds"] for r in rows if r["what"] == "times"}
    rows = [r for r in rows if r["what"] == "curve"]
    rows = [{**r, "seconds": r["steps"] * times[r["method"]] if r["method"] in times else None} for r in rows]
    figure, axes = panels(3 if times else 2, width=3.8, height=3.6, sharey=True)
    for method, look in looks(r["method"] for r in rows).items():
        for axis, along in zip(axes, ("epoch", "work", "seconds"), strict=False):
            points = [r for r in rows if r["method"] == method and None not in (r[along], r["train"])]
            for number, seed in enumerate(dict.fromkeys(r["seed"] for r in points)):
                line = [(r[along], r["train"]) for r in points if r["seed"] == seed]
                axis.plot(*zip(*line, strict=True), label=None if number else method, **look)
    if any(as_published(r["method"]) for r in rows):
        axes[0].plot(list(PUBLISHED), [t for t, _ in PUBLISHED.values()], "k+", ms=8, label="published log")
    names = ("epochs", "work, epochs of backprop", "seconds of learning")
    for axis, along in zip(axes, names, strict=False):
        axis.set(xlabel=along, ylabel="training loss, nats an image", xscale="log", yscale="log")
    legend(figure)
    note(figure, f"a line for each of {len({r['seed'] for r in rows})} seeds")
    return {"autoencoder": figure}
