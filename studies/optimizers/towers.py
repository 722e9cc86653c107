"""A tower of optimizers needs no rate: begun a hundred times too low or too high it ends like a well-set one.

A 784-128-10 network (tanh, also at its outputs) with exact gradients, each optimizer alone (height 1) and
under a tower, begun at its usual rate and at multiples of it; then node perturbation on Mismatched chips,
where nobody knows the right rate: fixed rates over six decades beside towers begun at each of them.

Published beside ours (Chandra et al., NeurIPS 2022, https://arxiv.org/abs/1909.13371), test error in %, 30
epochs, 3 seeds: SGD 8.99, under SGD 4.81; Adam 4.67, under SGD about 3.05; AdaGrad 7.40, 6.90; RMSProp 4.19,
3.3 to 3.6.

Ours, `towers --data mnist --where digital --heights 1 2 3 4 5`, seed 0, mean of 3 seeds (which differ by up
to .4 where a row learns), test error in % begun at .01, 1 and 100 times the usual rate:

    height           1                   2                   3                4, from to
    SGD       34.35  9.06  2.34   2.28  2.23  2.31   2.44  2.33  2.33   2.29 2.52
    momentum  15.33  4.69  2.73   2.35  2.26  2.19   2.57  2.28  2.21   2.22 2.54
    AdaGrad   16.10  3.56 32.54   2.38  2.40  2.47   2.52  2.41  2.47   2.39 2.48
    RMSProp    9.88  2.35 29.29   2.32  2.31  2.34   2.37  2.27  2.32   2.29 2.39
    Adam      10.16  2.43 13.41   2.44  2.37  2.53   2.59  2.35  2.49   2.39 2.62

Height 5 is like 4 (2.21 to 2.71). How long an update takes at each height: `--where overhead`.

On chips, `towers --data digits --where chips --optimizers sgd adam --heights 1 2 3 --seeds 8` (1,437 digits,
45 epochs, mean of 8 chips; rates begun at 1e-4, 1e-3, 0.01, 0.1, 1, 10, 100): SGD alone 90.14, 65.87, 10.90,
4.69, 3.68, 90.69, 86.63; height 2 3.99, 4.13, 4.27, 4.31, 4.37, 3.99, 49.76; height 3 3.92, 3.85, 4.17, 4.41,
4.17, 4.03, 69.58. Adam alone 20.73, 5.10, 3.78, 4.90, 42.60, 83.82, 77.85; height 2 3.82, 4.10, 3.68, 3.47,
3.54, 4.97, 40.03; height 3 3.85, 3.82, 3.89, 3.68, 3.47, 5.00, 43.65. So from the first five beginnings a
tower above Adam ends within .2 points of the best fixed rate of all (3.68), from six one above SGD within .7.
Begun at 100 most chips are lost before anything is told: their cells saturate.

What it takes, beyond the source (`Tuner`): its hypergradient is greedy, and settles at rates some ten times
too low. A fixed memory of sensitivities mends a part; a horizon that grows with the training mends it, for
what shallow directions gain adds up over the horizon and what noise costs does not. A warm-up keeps a rate
that is far too large from breaking the weights at once, hyper-parameters move no faster than the horizon,
decays a hundred times more slowly than rates, and AdaGrad is on every upper level. Chosen on held-out
training data (--held-out, 15 epochs and chips): horizons of .1 to 3, warm-ups of 0 to 20 % of the training,
upper rates of .15 to .6; memory and warm-up must not share a clock, or low beginnings have no time to rise.

Open questions: an emergency brake. Where a loss is unbounded, moves no faster than the horizon come too late
for a rate that becomes unstable after the warm-up.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import Final, Literal, get_args

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Mismatched, stream
from learners import (
    CrossEntropy,
    Descent,
    NodePerturbation,
    Tuner,
    Update,
    adagrad,
    adam,
    evaluate,
    fit,
    momentum,
    rmsprop,
    sgd,
)
from learners.data import Dataset, batches, count_steps, held_out, load_data
from learners.recipes import PROBE_SIZE
from learners.updates import current_hyperparameters

from ..kit.digital.mlps import Sizes, error_rates, gradient, initial_knobs, seed_batches
from ..kit.recipes.training_size import network, training_size
from ..kit.report.tables import mean_sd
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, NonNegative, Positive, Share
from ..kit.run.study import Row

OptimizerName = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam"]
Where = Literal["digital", "chips", "overhead"]
RATES: Final[dict[OptimizerName, float]] = {  # usual ones
    "sgd": 1e-2,
    "momentum": 1e-2,
    "adagrad": 1e-2,
    "rmsprop": 1e-3,
    "adam": 1e-3,
}
OPTIMIZERS: Final[dict[OptimizerName, Callable[..., Update]]] = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
}
ABOVE: Final = (0.3, 0.03)  # AdaGrad's rates on the second level and on those above it
BATCH, HIDDEN = 256, 128


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "mnist"  # digits, mnist, fashion-mnist, or a folder of IDX files
    where: tuple[Where, ...] = ("digital", "chips")  # overhead measures time, so its rows are never the same
    optimizers: tuple[OptimizerName, ...] = get_args(OptimizerName)
    heights: tuple[Count, ...] = (1, 3)  # 1 is the optimizer alone
    factors: tuple[Positive, ...] = (0.01, 1.0, 100.0)  # of the usual rate, where training begins
    seeds: Count = 3
    epochs: Positive = 30.0
    horizon: NonNegative = 0.4  # what sensitivities are remembered for, of the steps made; 0: the source
    warmup: Share = 0.05  # share of the training in which a tower begins
    device: AnyDevice = Mismatched()
    chip_rates: tuple[Positive, ...] = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0)  # on chips
    held_out: bool = False  # measure on a fifth of the training data, to choose settings by


TOY = Args(
    data="digits", where=("digital", "chips"), optimizers=("sgd",), heights=(1, 2), seeds=2, epochs=0.5
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    where: Where = "digital"
    optimizer: OptimizerName = "sgd"
    height: int = 2

    @property
    def name(self) -> str:
        return f"{self.where}, {self.optimizer}, height {self.height}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, w, o, h) for w in args.where for o in args.optimizers for h in args.heights]


def update(trial: Trial, learning_rate: Tensor, total: int) -> Update:
    """An optimizer and what tunes it, in a training of so many steps; at height 1 nothing does."""
    args, above = trial.args, (ABOVE[0], *[ABOVE[1]] * trial.height)[: trial.height - 1]
    tuned_by: Update | None = None
    for rate in reversed(above):
        tuned_by = adagrad(rate, tuned_by=tuned_by)
    tuner = None if tuned_by is None else Tuner(tuned_by, args.horizon, round(args.warmup * total))
    return OPTIMIZERS[trial.optimizer](learning_rate, tuned_by=tuner)


def run(trial: Trial) -> Iterator[Row]:
    data = load_data(trial.args.data)
    data = held_out(data) if trial.args.held_out else data
    kind = {"digital": _digital, "chips": _on_chips, "overhead": _overhead}[trial.where]
    about = {"where": trial.where, "optimizer": trial.optimizer, "height": trial.height}
    for row in kind(trial, data):
        yield {**about, **row}


def _digital(trial: Trial, data: Dataset) -> Iterator[Row]:
    args = trial.args
    sizes = Sizes(args.seeds, len(args.factors), data.features, HIDDEN, data.classes)
    knobs = initial_knobs(sizes, _generators(args, "weights"))
    starts = RATES[trial.optimizer] * torch.tensor(args.factors).repeat(args.seeds)
    total = count_steps(data.train, BATCH, args.epochs)
    descent = update(trial, starts, total)
    state = descent.init(tuple(map(torch.zeros_like, knobs)))
    for number, batch in enumerate(seed_batches(data, BATCH, args.epochs, _generators(args, "order")), 1):
        drive, state = descent.step(gradient(sizes, knobs, batch), state)
        for weights, change in zip(knobs, drive, strict=True):
            weights.add_(change)
        if number % max(1, total // 10) == 0 and number < total:
            yield {"what": "curve", "step": number, "done": number / total}
    wrong = error_rates(sizes, knobs, data.test).tolist()
    ends = torch.as_tensor(current_hyperparameters(descent, state)[0]["learning_rate"]).tolist()
    for row, (error, end) in enumerate(zip(wrong, ends, strict=True)):
        seed, factor = divmod(row, sizes.variants)
        yield {
            "what": "end",
            "seed": seed,
            "start": RATES[trial.optimizer] * args.factors[factor],
            "factor": args.factors[factor],
            "error": round(error, 6),
            "learning_rate": end,
            "done": 1.0,
        }


def _on_chips(trial: Trial, data: Dataset) -> Iterator[Row]:
    """Node perturbation; every chip begins at every rate, as a fleet of its twins."""
    args, size = trial.args, training_size(data)
    variants = len(args.chip_rates)
    twins = [chip for chip in args.identities(args.seeds) for _ in range(variants)]
    chip = Chip(args.device, network(data, size.hidden), twins, noise_seed=args.seed)
    starts = torch.tensor(args.chip_rates).repeat(args.seeds)
    epochs = min(args.epochs, size.epochs) if args.epochs < 1 else size.epochs
    total = count_steps(data.train, size.batch, epochs)
    estimator = NodePerturbation(PROBE_SIZE, size.probes)
    learner = Descent(estimator, update(trial, starts, total), CrossEntropy())
    order, probes = (stream(args.seed, "towers", "chips", what) for what in ("order", "probes"))
    learning = fit(learner, chip.port(), batches(data.train, size.batch, epochs, order), probes)
    for number, _ in enumerate(learning, 1):
        if number % max(1, total // 10) == 0 and number < total:
            yield {"what": "curve", "step": number, "done": number / total}
    for row, right in enumerate(evaluate(chip.port(), data.test).tolist()):
        who, start = divmod(row, variants)
        yield {
            "what": "end",
            "seed": who,
            "start": args.chip_rates[start],
            "error": round(1 - right, 6),
            "done": 1.0,
        }


def _overhead(trial: Trial, data: Dataset) -> Iterator[Row]:
    """Median seconds of the update of one network, and of its gradient, a batch at a time."""
    sizes = Sizes(1, 1, data.features, HIDDEN, data.classes)
    knobs = initial_knobs(sizes, _generators(trial.args, "weights")[:1])
    descent = update(trial, torch.tensor(RATES[trial.optimizer]), 7000)
    state, seconds = descent.init(tuple(map(torch.zeros_like, knobs))), []
    for batch in seed_batches(data, BATCH, 1.0, _generators(trial.args, "order")[:1]):
        before = perf_counter()
        knob_gradient = gradient(sizes, knobs, batch)
        between = perf_counter()
        _, state = descent.step(knob_gradient, state)
        seconds.append((between - before, perf_counter() - between))
    first, second = (median(part) for part in zip(*seconds, strict=True))
    yield {"what": "seconds", "gradient": first, "update": second, "done": 1.0}


def _generators(args: Args, what: str) -> list[Generator]:
    return [stream(args.seed, "towers", what, k) for k in range(args.seeds)]


def table(rows: Sequence[Row]) -> list[Row]:
    ends, times = [r for r in rows if r["what"] == "end"], [r for r in rows if r["what"] == "seconds"]
    lines = []
    for where, optimizer, height in dict.fromkeys((r["where"], r["optimizer"], r["height"]) for r in ends):
        of_line = [r for r in ends if (r["where"], r["optimizer"], r["height"]) == (where, optimizer, height)]
        line = {"where": where, "optimizer": optimizer, "height": height}
        for start in sorted({r["start"] for r in of_line}):
            line[f"{start:.0e}"] = mean_sd([100 * r["error"] for r in of_line if r["start"] == start])
        lines.append(line)
    for row in times:
        share = f"{1e3 * row['update']:.2f} ms, the gradient {1e3 * row['gradient']:.2f}"
        lines.append(
            {"where": "overhead", "optimizer": row["optimizer"], "height": row["height"], "time": share}
        )
    return lines


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    ends = [r for r in rows if r["what"] == "end"]
    panels = list(dict.fromkeys((r["where"], r["optimizer"]) for r in ends))
    if not panels:
        return []
    figure = Figure(figsize=(3.6 * len(panels), 4), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (where, optimizer) in zip(axes, panels, strict=True):
        of_panel = [r for r in ends if (r["where"], r["optimizer"]) == (where, optimizer)]
        for height in sorted({r["height"] for r in of_panel}):
            starts = sorted({r["start"] for r in of_panel})
            scores = [
                [100 * r["error"] for r in of_panel if r["start"] == s and r["height"] == height]
                for s in starts
            ]
            axis.plot(starts, [fmean(s) for s in scores], "o-", label=f"height {height}")
            axis.fill_between(starts, [min(s) for s in scores], [max(s) for s in scores], alpha=0.2)
        axis.set(title=f"{where}, {optimizer}", xlabel="rate at the start", xscale="log", yscale="log")
        axis.grid(which="both", alpha=0.3)
    axes[0].set(ylabel="test error %")
    axes[0].legend()
    path = folder / "towers.png"
    figure.savefig(path, dpi=130)
    return [path]
