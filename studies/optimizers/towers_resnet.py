"""A tower over SGD with momentum makes a residual network's schedule by itself, beside the one made by hand.

A narrow ResNet-20 learns CIFAR-10 from pictures of half the side, with flips and shifts: by SGD with momentum
at a rate that stays; at one that is divided by ten at a half and again at three quarters of the training (the
step schedule of He et al., who do so at 32,000 and 48,000 of 64,000 steps); and under towers that tune the
rate and the momentum, by the source's own algorithm ("as published") and by ours. Each begins at the usual
rate, .1, and at multiples of it. `--held-out` judges by a fifth of the training images.

Published: ResNet-20, 8.75 % (He et al. 2016, https://arxiv.org/abs/1512.03385), twice as wide, of whole
pictures, after 164 epochs with weight decay 1e-4, which is left out here, for it does nothing in some epochs.
Chandra et al. (NeurIPS 2022, https://arxiv.org/abs/1909.13371) begin at rates and momenta from too small to
too large, tune both, and come out where that schedule does; their errors were not at hand: not verified, and
no column here. Ours are another size of everything, so methods may be compared with one another alone.

Data: pictures in the folder of a data set, or "cifar10". Where these are a JPEG copy, as ours are, they are
not the original.

A rate or momentum that leaves the numbers behind ends in a network that names one class for all. No setting
was chosen for this network: the rate of the SGD above ("as published") is the one that the source has for its
perceptron, as far as we remember it (`--upper-factor` multiplies it), and ours are those of `towers`.

Open questions: what a tower does in 164 epochs; behind batch normalization weights grow, and with them the
step that a rate means, so a rate over time is no schedule of steps relative to weights.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median
from typing import Annotated, Final, Literal

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import avg_pool2d, cross_entropy

from analog import stream
from learners import Batch, Update, with_schedule
from learners.data import Dataset, batches, count_steps, flip_images, held_out, load_data, shift_images

from ..kit.digital.network_updates import UpdatedNetwork, train_network
from ..kit.digital.residual_network import ResidualNetwork
from ..kit.recipes.tower import Algorithm, Tower
from ..kit.report.hyperparameter_courses import ends_by_start, hyperparameter_courses
from ..kit.report.tables import percent_with_interval, points_between, short_number
from ..kit.run.ranges import Count, CountOrZero, NonNegative, Positive, Range, Share
from ..kit.run.study import Row

TunedBy = Literal["nothing", "step schedule", Algorithm]  # what sets the numbers
RATE: Final = 0.1  # the usual one
MOMENTUM: Final = 0.9
NAMES: Final = {"learning_rate": "learning rate", "beta": "momentum"}


@dataclass(frozen=True)
class Args:
    data: str = "cifar10"  # or a folder of pictures, mnist, digits
    tuned_by: tuple[TunedBy, ...] = ("nothing", "step schedule", "as published", "ours")
    factors: tuple[Positive, ...] = (0.01, 1.0, 10.0)  # of the usual rate, where training begins
    height: Annotated[int, Range(2)] = 2  # of towers
    seeds: Count = 3  # networks
    channels: tuple[Count, ...] = (8, 16, 32)  # of each stage; the source has 16, 32, 64
    blocks: Count = 3  # of a stage
    shrink: Count = 2  # pixels of a side that become one, by their mean
    shift: CountOrZero = 2  # pixels, each way, of small pictures
    flips: bool = True
    batch: Count = 128
    epochs: Positive = 2.0
    upper_factor: Positive = 1.0  # of the rate of the SGD that tunes "as published"
    horizon: NonNegative = 0.4  # what sensitivities are remembered for by ours, of the steps made
    warmup: Share = 0.05  # share of the training in which a tower of ours begins
    points: Count = 40  # of a curve
    seed: int = 0
    held_out: bool = False  # judge by a fifth of the training images instead of the test images


TOY = Args(
    data="digits",
    factors=(1.0,),
    seeds=1,
    channels=(2, 4),
    blocks=1,
    shrink=1,
    shift=1,
    flips=False,
    epochs=1.0,
    points=4,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    tuned_by: TunedBy = "nothing"
    factor: float = 1.0
    number: int = 0  # of the network

    @property
    def name(self) -> str:
        return f"tuned by {self.tuned_by}, begun at {RATE * self.factor:g}, {self.number}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, w, f, n) for w in args.tuned_by for f in args.factors for n in range(args.seeds)]


@lru_cache(maxsize=1)
def _images(name: str, only_held_out: bool, shrink: int) -> Dataset:
    """Small images, each plane of mean 0 and variance 1 over those to learn from."""
    data = load_data(name)
    data = held_out(data) if only_held_out else data
    train, test = (avg_pool2d(part.x.view(-1, *data.shape), shrink) for part in (data.train, data.test))
    mean, spread = train.mean((0, 2, 3), keepdim=True), train.std((0, 2, 3), keepdim=True)
    small, judged = (((x - mean) / spread).flatten(1) for x in (train, test))
    return data._replace(
        train=Batch(small, data.train.target),
        test=Batch(judged, data.test.target),
        shape=tuple(train.shape[1:]),
    )


def step_schedule(step: int, steps: int) -> float:
    """The share of the first rate after so many of all steps: all, then a tenth, then a hundredth."""
    return 1.0 if step < steps / 2 else 0.1 if step < 0.75 * steps else 0.01


def update(trial: Trial, steps: int) -> Update:
    """SGD with momentum and what sets its numbers, in a training of so many steps."""
    args, alone = trial.args, Tower("momentum", 1)
    rate = RATE * trial.factor
    if trial.tuned_by == "step schedule":
        return with_schedule(alone.update(rate, steps), lambda step: step_schedule(step, steps))
    if trial.tuned_by == "nothing":
        return alone.update(rate, steps)
    tower = Tower("momentum", args.height, trial.tuned_by, args.horizon, args.warmup)
    return tower.update(rate, steps, args.upper_factor if trial.tuned_by == "as published" else 1.0)


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, _images(trial.args.data, trial.args.held_out, trial.args.shrink)
    weights = stream(args.seed, "towers resnet", "weights", trial.number)
    network = ResidualNetwork(data.shape[0], args.channels, args.blocks, data.classes, weights)
    steps = count_steps(data.train, args.batch, args.epochs)
    updated = UpdatedNetwork(network, update(trial, steps))
    about: Row = {"tuned by": trial.tuned_by, "start": RATE * trial.factor, "seed": trial.number}
    every = max(1, steps // args.points)
    for step, _, numbers in train_network(updated, _losses(network, data, trial), every):
        scheduled = {"learning_rate": about["start"] * step_schedule(step - 1, steps), "beta": MOMENTUM}
        done = round(0.99 * step / steps, 4)
        yield {"what": "curve", **about, "step": step, **(numbers or scheduled), "done": done}
    last = {"learning_rate": about["start"] * step_schedule(steps, steps), "beta": MOMENTUM}
    numbers = updated.hyperparameters() or last
    yield {"what": "end", **about, "error": _error(network, data), **numbers, "done": 1.0}


def _losses(network: ResidualNetwork, data: Dataset, trial: Trial) -> Iterator[Tensor]:
    """The mean cross-entropy of each batch, mirrored and shifted."""
    args = trial.args
    order, lots = (stream(args.seed, "towers resnet", what, trial.number) for what in ("order", "lots"))
    for batch in batches(data.train, args.batch, args.epochs, order):
        x = flip_images(batch.x, data.shape, lots) if args.flips else batch.x
        x = shift_images(x, data.shape, args.shift, lots)
        yield cross_entropy(network(x.view(-1, *data.shape)), batch.target)


def _error(network: ResidualNetwork, data: Dataset) -> float:
    """The share of test images that a network names wrongly, by the statistics that it kept."""
    network.eval()
    parts = zip(data.test.x.split(1000), data.test.target.split(1000), strict=True)
    with torch.no_grad():
        wrong = sum(int((network(x.view(-1, *data.shape)).argmax(-1) != y).sum()) for x, y in parts)
    return wrong / len(data.test.x)


def table(rows: Sequence[Row]) -> list[Row]:
    ends = [r for r in rows if r["what"] == "end"]
    by_hand = [r for r in ends if (r["tuned by"], r["start"]) == ("step schedule", RATE)]
    schedule = {r["seed"]: r["error"] for r in by_hand}
    lines = []
    for tuned_by, start in dict.fromkeys((r["tuned by"], r["start"]) for r in ends):
        own = [r for r in ends if (r["tuned by"], r["start"]) == (tuned_by, start)]
        beside = [r for r in own if r["seed"] in schedule]
        line: Row = {"momentum SGD, set by": tuned_by, "begun at": f"{start:g}", "n": len(own)}
        line["test error %"] = percent_with_interval([r["error"] for r in own])
        line["points behind the schedule from .1"] = points_between(
            [r["error"] for r in beside], [schedule[r["seed"]] for r in beside]
        )
        line["rate at the end"] = short_number(median(r["learning_rate"] for r in own))
        line["highest rate"] = short_number(_highest(rows, tuned_by, start))
        line["momentum at the end"] = short_number(median(r["beta"] for r in own), 3)
        lines.append(line)
    return lines


def _highest(rows: Sequence[Row], tuned_by: str, start: float) -> float:
    """The highest rate on the curves of a line, the median over networks."""
    highest: dict[int, float] = {}
    for r in rows:
        if (r["tuned by"], r["start"]) == (tuned_by, start):
            highest[r["seed"]] = max(r["learning_rate"], highest.get(r["seed"], start))
    return median(highest.values())


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    """Error by where training began, and the rate and the momentum as they go."""
    ends = [r for r in rows if r["what"] == "end"]
    figure = ends_by_start(ends, lambda r: 100 * r["error"], ylabel="test error, %", yscale="log")
    courses = hyperparameter_courses([r for r in rows if r["what"] == "curve"], NAMES)
    return {"towers_resnet": figure, "towers_resnet_rates": courses}
