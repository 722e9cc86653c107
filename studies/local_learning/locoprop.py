"""What LocoProp is beside target propagation: the gradient's own targets, and local losses that turn them.

Amid, Anil and Warmuth (AISTATS 2022, https://arxiv.org/abs/2106.06199) give every layer a loss of its own, a
distance to a target and a regularizer, and T steps down it. LeCun's objection was that target propagation is
as old as 1986. Three questions, on the autoencoder of the study `autoencoder`, made smaller:

- where a batch moves each layer (`moves`): the cosine of the move with the exact gradient and with the
  gradient times the inverse of the inputs' second moments, which a squared loss at a linear layer comes to
  after many steps. LocoProp begins at the gradient and turns from there with every inner step; the moves of
  target propagation, by signs (1986) or learned inverses (difference target propagation, 2015), are tied to
  neither. That is what distinguishes it: not that layers have targets, but that theirs are the gradient's,
  and that the local loss has the inputs' curvature.
- which distance serves at which layer (`losses`): the matching loss of the neuron, or the squared one of
  its sums, one layer at a time.
- what the regularizer |W - W_0|^2 is worth (`losses`): its strength times the usual rate of an inner step.

Rate and gamma are searched for every variant alike (`studies.kit.digital.autoencoder_search`). Published: the
matching loss is ahead of the squared one in all of the paper's figures; no number by layer, and none of the
regularizer.

Open questions: whether a layer's own gamma would close what remains between the two losses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from matplotlib.figure import Figure
from torch import Tensor

from analog import Knobs
from learners.data import load_data

from ..kit.digital.autoencoder_search import mean_loss, searched
from ..kit.digital.autoencoders import Method, Recipe, guess, move_after, second_guess, train_epochs
from ..kit.report.figures import chip_dots, legend, looks, note, panels
from ..kit.report.tables import mean_with_interval, short_number
from ..kit.run.ranges import Count, NonNegative
from ..kit.run.study import Row

Question = Literal["moves", "losses"]
MOVERS: tuple[Method, ...] = ("LocoProp-M", "LocoProp-S", "target propagation", "target propagation 1986")


@dataclass(frozen=True)
class Args:
    questions: tuple[Question, ...] = ("moves", "losses")
    data: str = "mnist"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    sizes: tuple[Count, ...] = (250, 125, 60, 30)  # of the encoder; the decoder mirrors it
    images: Count | None = None  # of the training images; all by default
    batch: Count = 1000
    epochs: Count = 8
    search: bool = True  # rate and gamma, instead of their guesses
    proximals: tuple[NonNegative, ...] = (0.01, 0.1, 1.0)  # strengths of the regularizer
    seeds: Count = 3  # of weights and batches, each a trial of its own
    seed: int = 0  # the first of them


TOY = Args(
    data="digits", sizes=(12, 4), images=200, batch=50, epochs=1, proximals=(1.0,), search=False, seeds=1
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    question: Question = "losses"
    method: Method = "LocoProp-M"
    squared: tuple[int, ...] = ()  # layers with the squared loss
    proximal: float = 0.0
    seed: int = 0

    @property
    def variant(self) -> str:
        squared = f", layer {self.squared[0] + 1} squared" if self.squared else ""
        return f"{self.method}{squared}{f', regularizer {self.proximal:g}' if self.proximal else ''}"

    @property
    def name(self) -> str:
        return f"{self.question}, {self.variant}, {self.seed}"


def plan(args: Args) -> list[Trial]:
    trials = []
    for seed in range(args.seed, args.seed + args.seeds):
        if "moves" in args.questions:
            trials += [Trial(args, "moves", method, seed=seed) for method in MOVERS]
        if "losses" in args.questions:
            hidden = range(2 * len(args.sizes) - 1)
            trials += [Trial(args, "losses", m, seed=seed) for m in ("LocoProp-M", "LocoProp-S")]
            trials += [Trial(args, squared=(k,), seed=seed) for k in hidden]
            trials += [Trial(args, proximal=p, seed=seed) for p in args.proximals]
    return trials


def run(trial: Trial) -> Iterator[Row]:
    yield from {"moves": _move, "losses": _learn}[trial.question](trial)


def _move(trial: Trial) -> Iterator[Row]:
    train, _ = _images(trial.args)
    found = move_after(_searched(trial.args, trial.method, (), 0.0)._replace(seed=trial.seed), train)
    down = tuple(-g for g in found.gradient)
    yield {
        "what": "moves",
        "variant": trial.variant,
        "seed": trial.seed,
        "gradient": _cosines(found.moved, down),
        "natural": _cosines(found.moved, tuple(-n for n in found.natural)),
        "between": _cosines(down, tuple(-n for n in found.natural)),
        "done": 1.0,
    }


def _cosines(some: Knobs, others: Knobs) -> list[float]:
    """Of each layer; 0 where nothing moved."""
    pairs = zip(some, others, strict=True)
    return [
        round(float(torch.cosine_similarity(a.flatten().double(), b.flatten().double(), 0)), 4)
        for a, b in pairs
    ]


def _learn(trial: Trial) -> Iterator[Row]:
    args = trial.args
    train, test = _images(args)
    recipe = _searched(args, trial.method, trial.squared, trial.proximal)._replace(seed=trial.seed)
    for epoch, (outputs, _) in enumerate(train_epochs(recipe, train), 1):
        yield {
            "what": "losses",
            "variant": trial.variant,
            "seed": trial.seed,
            "learning_rate": recipe.learning_rate,
            "gamma": recipe.second,
            "epoch": epoch,
            "train": mean_loss(outputs, train),
            "test": mean_loss(outputs, test),
            "done": round(epoch / args.epochs, 4),
        }


@lru_cache
def _images(args: Args) -> tuple[Tensor, Tensor]:
    data = load_data(args.data)
    return data.train.x[: args.images], data.test.x[: args.images]


@lru_cache
def _searched(args: Args, method: Method, squared: tuple[int, ...], proximal: float) -> Recipe:
    start = Recipe(method, guess(method), args.sizes, args.batch, args.epochs, args.seed)
    start = start._replace(squared=squared, proximal=proximal, second=second_guess(method))
    return searched(start, _images(args)[0]) if args.search else start


def table(rows: Sequence[Row]) -> list[Row]:
    lines: list[Row] = []
    for variant in dict.fromkeys(r["variant"] for r in rows if r["what"] == "moves"):
        points = [r for r in rows if r["what"] == "moves" and r["variant"] == variant]
        line: Row = {"question": "moves", "variant": variant, "seeds": len(points)}
        for name, key in (("cosine with the gradient", "gradient"), ("with gradient / moments", "natural")):
            by_layer = zip(*(r[key] for r in points), strict=True)
            line[f"{name}, layer by layer"] = " ".join(f"{sum(c) / len(c):.2f}" for c in by_layer)
        lines.append(line)
    ends = [r for r in rows if r["what"] == "losses"]
    for variant in dict.fromkeys(r["variant"] for r in ends):
        points = [r for r in ends if r["variant"] == variant]
        points = [r for r in points if r["epoch"] == max(p["epoch"] for p in points)]
        lines.append(
            {
                "question": "losses",
                "variant": variant,
                "seeds": len(points),
                "learning rate": short_number(points[0]["learning_rate"]),
                "gamma": short_number(points[0]["gamma"]),
                "epoch": points[0]["epoch"],
                "train": mean_with_interval([r["train"] for r in points if r["train"] is not None]),
                "test": mean_with_interval([r["test"] for r in points if r["test"] is not None]),
            }
        )
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    """Where batches move each layer, and the loss that each variant ends at."""
    figure, axes = panels(3, width=3.6, height=3.4)
    moves = [r for r in rows if r["what"] == "moves"]
    look = looks(r["variant"] for r in moves)
    for axis, key, name in (
        (axes[0], "gradient", "cosine with the gradient"),
        (axes[1], "natural", "cosine with gradient / moments"),
    ):
        for variant in look:
            for number, row in enumerate(r for r in moves if r["variant"] == variant):
                label = None if number else variant
                axis.plot(range(1, len(row[key]) + 1), row[key], label=label, **look[variant])
        axis.set(xlabel="layer", ylabel=name, ylim=(-0.3, 1.05))
    ends = {r["variant"]: r["epoch"] for r in rows if r["what"] == "losses"}
    for place, (variant, epoch) in enumerate(ends.items()):
        points = [r for r in rows if r["what"] == "losses" and (r["variant"], r["epoch"]) == (variant, epoch)]
        values = [r["train"] for r in points if r["train"] is not None]
        chip_dots(axes[2], place, values, sideways=True, color="black", marker="o", ms=3)
    axes[2].set_yticks(range(len(ends)), [*ends])
    axes[2].set(xlabel="training loss, nats an image", ylabel="" if ends else "variant")
    legend(figure)
    note(figure, f"a line or dot for each of {len({r['seed'] for r in rows})} seeds")
    return {"locoprop": figure}
