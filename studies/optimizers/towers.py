"""A tower of optimizers needs no rate: begun a hundred times too low or high it ends like a well-set one.

A 784-128-10 network (tanh, also at its outputs) with exact gradients, each optimizer alone (height 1) and
under a tower, begun at its usual rate and at multiples of it; then node perturbation on Mismatched chips,
where nobody knows the right rate: fixed rates over six decades beside towers begun at each of them. The
lowest level is reached by node perturbation as it is, without a backward model.

Published beside ours (Chandra et al., NeurIPS 2022, https://arxiv.org/abs/1909.13371), test error in %, 30
epochs, 3 seeds: SGD 8.99, under SGD 4.81; Adam 4.67, under SGD about 3.05; AdaGrad 7.40, 6.90; RMSProp 4.19,
3.3 to 3.6.

"as published" is the source's own algorithm with its own rules (`studies.kit.digital.chandra2022`): a rate
answers for the last step alone, SGD moves the rates themselves on every level, and there is no warm-up. Only
this may stand beside the published 4.81: what "ours" is better by is another algorithm, with a horizon and a
warm-up, and AdaGrad on the logarithm of rates above the lowest level. "ours, horizon 0" is that without
horizon and warm-up, and says what these two are worth. Rules alone differ between the source and ours only in
where squares begin, so height 1 stands for both.

The source's other remarks, each a flag: the taller the tower, the less the highest level's own rate matters
(--upper-factors, its multiples); every level costs little time and no memory that grows (--where overhead:
milliseconds, and the numbers that an update keeps once each level has moved, and after the last step).

On chips a tower may begin at any of seven rates, of which the last two, 10 and 100, are meant to fail: begun
there most chips are lost before anything is told, as their cells saturate. They stand in the same table.

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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Final, Literal, get_args

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Mismatched, stream
from learners import CrossEntropy, Descent, NodePerturbation, Update, evaluate, fit
from learners.data import Dataset, batches, count_steps, held_out, load_data
from learners.recipes import PROBE_SIZE
from learners.updates import current_hyperparameters
from learners.updates.hyperparameter import Number

from ..kit.digital.baselines import count_numbers
from ..kit.digital.mlps import Sizes, error_rates, gradient, initial_knobs, seed_batches
from ..kit.recipes.tower import Algorithm, OptimizerName, Tower
from ..kit.recipes.training_size import network, training_size
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import fixed, percent_with_interval
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, NonNegative, Positive, Share
from ..kit.run.study import Row

Where = Literal["digital", "chips", "overhead"]
RATES: Final[dict[OptimizerName, float]] = {  # usual ones
    "sgd": 1e-2,
    "momentum": 1e-2,
    "adagrad": 1e-2,
    "rmsprop": 1e-3,
    "adam": 1e-3,
}
PUBLISHED: Final[dict[tuple[object, ...], str]] = {  # MNIST at the usual rate, 3 seeds
    ("digital", "sgd", 1, "nothing"): "8.99",
    ("digital", "sgd", 2, "as published"): "4.81",
    ("digital", "adagrad", 1, "nothing"): "7.40",
    ("digital", "adagrad", 2, "as published"): "6.90",
    ("digital", "rmsprop", 1, "nothing"): "4.19",
    ("digital", "rmsprop", 2, "as published"): "3.3 to 3.6",
    ("digital", "adam", 1, "nothing"): "4.67",
    ("digital", "adam", 2, "as published"): "about 3.05",
}
BATCH, HIDDEN = 256, 128


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "mnist"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    where: tuple[Where, ...] = ("digital", "chips")  # overhead measures time, so its rows are never the same
    optimizers: tuple[OptimizerName, ...] = get_args(OptimizerName)
    heights: tuple[Count, ...] = (1, 2, 3)  # 1 is the optimizer alone; the source has up to 5 and more
    algorithms: tuple[Algorithm, ...] = get_args(Algorithm)  # of what tunes it, from height 2
    factors: tuple[Positive, ...] = (0.01, 1.0, 100.0)  # of the usual rate, where training begins
    upper_factors: tuple[Positive, ...] = (1.0,)  # of the highest level's rate, from height 2; digital only
    seeds: Count = 5  # networks or chips
    epochs: Positive = 30.0
    horizon: NonNegative = 0.4  # what sensitivities are remembered for by ours, of the steps made
    warmup: Share = 0.05  # share of the training in which a tower of ours begins
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
    algorithm: Algorithm = "ours"

    @property
    def name(self) -> str:
        tuned = "" if self.algorithm == "ours" else f", {self.algorithm}"
        return f"{self.where}, {self.optimizer}, height {self.height}{tuned}"


def plan(args: Args) -> list[Trial]:
    towers = [
        (h, a) for h in args.heights for a in (args.algorithms if h > 1 else args.algorithms[:1])
    ]  # alone there is nothing to tune by
    return [Trial(args, w, o, h, a) for w in args.where for o in args.optimizers for h, a in towers]


def update(trial: Trial, learning_rate: Tensor, total: int, top: Number = 1.0) -> Update:
    """An optimizer and what tunes it, in a training of so many steps; at height 1 nothing does.

    Args:
        learning_rate: where it begins, one for each network or chip.
        top: what the rate of the highest level is multiplied by, likewise.
    """
    args = trial.args
    tower = Tower(trial.optimizer, trial.height, trial.algorithm, args.horizon, args.warmup)
    return tower.update(learning_rate, total, top)


def run(trial: Trial) -> Iterator[Row]:
    data = load_data(trial.args.data)
    data = held_out(data) if trial.args.held_out else data
    kind = {"digital": _digital, "chips": _on_chips, "overhead": _overhead}[trial.where]
    about: Row = {"where": trial.where, "optimizer": trial.optimizer, "height": trial.height}
    about["tuned by"] = trial.algorithm if trial.height > 1 else "nothing"
    for row in kind(trial, data):
        yield {**about, **row}


def _digital(trial: Trial, data: Dataset) -> Iterator[Row]:
    args = trial.args
    variants = [(f, u) for f in args.factors for u in (args.upper_factors if trial.height > 1 else (1.0,))]
    sizes = Sizes(args.seeds, len(variants), data.features, HIDDEN, data.classes)
    knobs = initial_knobs(sizes, _generators(args, "weights"))
    factors, upper_factors = torch.tensor(variants).repeat(args.seeds, 1).unbind(1)
    total = count_steps(data.train, BATCH, args.epochs)
    descent = update(trial, RATES[trial.optimizer] * factors, total, upper_factors)
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
        seed, variant = divmod(row, sizes.variants)
        factor, upper = variants[variant]
        yield {
            "what": "end",
            "seed": seed,
            "start": RATES[trial.optimizer] * factor,
            "factor": factor,
            "upper factor": upper,
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
            "upper factor": 1.0,
            "error": round(1 - right, 6),
            "done": 1.0,
        }


def _overhead(trial: Trial, data: Dataset) -> Iterator[Row]:
    """Median seconds of the update of one network, and of its gradient, a batch at a time; what it keeps."""
    sizes = Sizes(1, 1, data.features, HIDDEN, data.classes)
    knobs = initial_knobs(sizes, _generators(trial.args, "weights")[:1])
    descent = update(trial, torch.tensor(RATES[trial.optimizer]), 7000)
    state, seconds, kept = descent.init(tuple(map(torch.zeros_like, knobs))), [], []
    for batch in seed_batches(data, BATCH, 2.0, _generators(trial.args, "order")[:1]):
        before = perf_counter()
        knob_gradient = gradient(sizes, knobs, batch)
        between = perf_counter()
        _, state = descent.step(knob_gradient, state)
        seconds.append((between - before, perf_counter() - between))
        kept.append(count_numbers(state) / sum(w.numel() for w in knobs))
    first, second = (median(part) for part in zip(*seconds, strict=True))
    memory = {"kept": round(kept[trial.height], 4), "kept at the end": round(kept[-1], 4)}
    yield {"what": "seconds", "gradient": first, "update": second, **memory, "done": 1.0}


def _generators(args: Args, what: str) -> list[Generator]:
    return [stream(args.seed, "towers", what, k) for k in range(args.seeds)]


def table(rows: Sequence[Row]) -> list[Row]:
    ends, times = [r for r in rows if r["what"] == "end"], [r for r in rows if r["what"] == "seconds"]
    lines = []
    for case in dict.fromkeys(tuple(r[key] for key in _CASE) for r in ends):
        of_line = [r for r in ends if tuple(r[key] for key in _CASE) == case]
        line = dict(zip(_CASE, case, strict=True)) | {"n": len({r["seed"] for r in of_line})}
        line["published, MNIST %"] = PUBLISHED.get(case[:-1], "") if case[-1] == 1.0 else ""
        for start in sorted({r["start"] for r in ends}):
            errors = [r["error"] for r in of_line if r["start"] == start]
            line[f"begun at {start:g}, error %"] = percent_with_interval(errors)
        lines.append(line)
    for row in times:
        share = f"{1e3 * row['update']:.2f} ms, the gradient {1e3 * row['gradient']:.2f}"
        kept = f"{fixed(row['kept'])}, at the end {fixed(row['kept at the end'])}"
        lines.append({key: row[key] for key in _TOWER} | {"time": share, "numbers kept a weight": kept})
    return lines


_TOWER = ("where", "optimizer", "height", "tuned by")
_CASE = (*_TOWER, "upper factor")


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    """Error by where training began, and, if several were tried, by the highest level's rate."""
    ends = [r for r in rows if r["what"] == "end"]
    drawn = {"towers": _by([r for r in ends if r["upper factor"] == 1.0], "start")}
    if len({r["upper factor"] for r in ends}) > 1:
        of_start = [r for r in ends if r["height"] > 1 and r.get("factor") == 1.0]
        drawn["towers_upper"] = _by(of_start, "upper factor")
    return drawn


_ALONG = {"start": "learning rate at the start", "upper factor": "highest level's rate, of the usual"}


def _by(ends: Sequence[Row], along: str) -> Figure:
    cases = list(dict.fromkeys((r["where"], r["optimizer"]) for r in ends))
    figure, axes = panels(len(cases), sharey=True)
    look = looks((r["height"], r["tuned by"]) for r in ends)
    for axis, (where, optimizer) in zip(axes, cases, strict=False):
        of_panel = [r for r in ends if (r["where"], r["optimizer"]) == (where, optimizer)]
        for height, tuned_by in dict.fromkeys((r["height"], r["tuned by"]) for r in of_panel):
            of_curve = [r for r in of_panel if (r["height"], r["tuned by"]) == (height, tuned_by)]
            places = sorted({r[along] for r in of_curve})
            errors = {place: [100 * r["error"] for r in of_curve if r[along] == place] for place in places}
            label = f"height {height}, {tuned_by}" if height > 1 else "alone"
            course(axis, errors, label=label, **look[height, tuned_by])
        axis.set(title=f"{where}, {optimizer}", xscale="log", yscale="log")
    for axis in axes:
        axis.set(xlabel=_ALONG[along], ylabel="test error, %")
    legend(figure)
    count = len({r["seed"] for r in ends})
    note(figure, f"mean of {count} networks or chips; bands: {INTERVAL}")
    return figure
