"""A tower over Adam finds the rate of a character LSTM that begins a hundred times too low or high.

Layers of LSTM read a text at many places side by side and predict it character by character, by exact
gradients: Adam alone at its usual rate and at multiples of it, the same under a tower of the source's own
algorithm ("as published", whose SGD moves the rate itself and the decays), and under one of ours. Judged by
the last tenth of the text, nats a character; `--held-out` judges by the tenth before and shows the last to
nobody. The usual rate is char-rnn's (2e-3, https://github.com/karpathy/char-rnn), which trains for longer, so
towers stand beside the best rate that stays: the multiple that did best alone, as judged afterwards.

Published (Chandra et al., NeurIPS 2022, https://arxiv.org/abs/1909.13371): a character RNN after Karpathy,
Johnson and Fei-Fei (https://arxiv.org/abs/1506.02078), Adam with its rate and both decays tuned, begun at
several rates; towers that begin badly end well, and rates settle near the hand-tuned one. Its text, its sizes
and its numbers were not at hand, so there is no column for them: not verified. nanoGPT's README
(https://github.com/karpathy/nanoGPT) has 1.88 nats for a small transformer on this text and split.

One chunk of each place is a step; the state goes on to the next chunk, derivatives do not. A network whose
loss is no number counts as one that knows nothing: the logarithm of the number of symbols. Chosen on the
tenth that is held out: the rate of the SGD above ("as published"), of 1, 10, 100 and 1000 times
(`--upper-factor`) what the source has for its perceptron, as far as we remember it; by one network and one
pass, from the lowest start. 100 served best; at 1000 everything is lost.

So far one pass of one network was measured, on the held-out tenth (docs/sources/ultimate_optimizer.md).

Open questions: rates that fall to zero by hand are better still, and no tower was told when training ends.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from math import isfinite, log
from statistics import fmean, median
from typing import Annotated, Final

import torch
from matplotlib.figure import Figure

from analog import stream
from learners.data import Dataset, Text, load_text

from ..kit.digital.character_lstm import CharacterLSTM, chunks, losses
from ..kit.digital.network_updates import UpdatedNetwork, train_network
from ..kit.recipes.tower import Algorithm, Tower
from ..kit.report.hyperparameter_courses import ends_by_start, hyperparameter_courses
from ..kit.report.tables import mean_with_interval, short_number
from ..kit.run.ranges import Count, NonNegative, Positive, Range, Share
from ..kit.run.study import Row

RATE: Final = 2e-3  # Adam's usual one here
NAMES: Final = {"learning_rate": "learning rate", "beta1": "decay beta1", "beta2": "decay beta2"}


@dataclass(frozen=True)
class Args:
    data: str = "shakespeare"  # shakespeare, markov, a file of text, or package.module:string
    algorithms: tuple[Algorithm, ...] = ("as published", "ours")  # of what tunes Adam
    factors: tuple[Positive, ...] = (0.01, 0.1, 1.0, 10.0, 100.0)  # of the usual rate, where training begins
    height: Annotated[int, Range(2)] = 2  # of towers
    seeds: Count = 3  # networks
    hidden: Count = 128  # cells of a layer
    layers: Count = 1
    rows: Count = 50  # places of the text that are read side by side
    length: Count = 50  # characters of a chunk, which derivatives go back through
    epochs: Count = 3
    upper_factor: Positive = 100.0  # of the rate of the SGD that tunes "as published"
    horizon: NonNegative = 0.4  # what sensitivities are remembered for by ours, of the steps made
    warmup: Share = 0.05  # share of the training in which a tower of ours begins
    points: Count = 40  # of a curve
    seed: int = 0
    held_out: bool = False  # judge by the tenth of the text before the last, and learn from what is before it

    def load_data(self, where: str) -> Dataset:
        """The contexts of a text, as long as a chunk, and the symbols that follow."""
        return _text(where, self.held_out).contexts(self.length)


TOY = Args(data="markov", factors=(1.0, 100.0), seeds=1, hidden=8, rows=8, length=10, epochs=1, points=4)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    algorithm: Algorithm | None = None  # None: Adam alone
    factor: float = 1.0
    number: int = 0  # of the network

    @property
    def tuned_by(self) -> str:
        return self.algorithm or "nothing"

    @property
    def name(self) -> str:
        return f"tuned by {self.tuned_by}, begun at {RATE * self.factor:g}, {self.number}"


def plan(args: Args) -> list[Trial]:
    ways = (None, *args.algorithms)
    return [Trial(args, a, f, n) for a in ways for f in args.factors for n in range(args.seeds)]


@lru_cache(maxsize=1)
def _text(where: str, only_held_out: bool) -> Text:
    return load_text(where, held_out=only_held_out)


def run(trial: Trial) -> Iterator[Row]:
    args, text = trial.args, _text(trial.args.data, trial.args.held_out)
    network = CharacterLSTM(
        len(text.vocabulary),
        args.hidden,
        args.layers,
        stream(args.seed, "towers lstm", "weights", trial.number),
    )
    once = [*chunks(text.train, args.rows, args.length)]
    steps = args.epochs * len(once)
    height = 1 if trial.algorithm is None else args.height
    tower = Tower("adam", height, trial.algorithm or "ours", args.horizon, args.warmup)
    top = args.upper_factor if trial.algorithm == "as published" else 1.0
    updated = UpdatedNetwork(network, tower.update(RATE * trial.factor, steps, top))
    pieces = chain.from_iterable([once] * args.epochs)
    about: Row = {"tuned by": trial.tuned_by, "start": RATE * trial.factor, "seed": trial.number}
    for step, loss, numbers in train_network(updated, losses(network, pieces), max(1, steps // args.points)):
        nats = _finite(loss, text)
        done = round(0.99 * step / steps, 4)
        yield {"what": "curve", **about, "step": step, "training nats": nats, **numbers, "done": done}
    with torch.no_grad():
        judged = chunks(text.test, min(args.rows, len(text.test) // (2 * args.length)), args.length)
        nats = fmean(loss.item() for loss in losses(network, judged))
    yield {"what": "end", **about, "nats": _finite(nats, text), **updated.hyperparameters(), "done": 1.0}


def _finite(nats: float, text: Text) -> float:
    return round(nats if isfinite(nats) else log(len(text.vocabulary)), 6)


def table(rows: Sequence[Row]) -> list[Row]:
    ends = [r for r in rows if r["what"] == "end"]
    by_seed = _best_alone(ends)
    lines = []
    for tuned_by, start in dict.fromkeys((r["tuned by"], r["start"]) for r in ends):
        own = [r for r in ends if (r["tuned by"], r["start"]) == (tuned_by, start)]
        behind = [r["nats"] - by_seed[r["seed"]] for r in own if r["seed"] in by_seed]
        line: Row = {"Adam tuned by": tuned_by, "begun at": f"{start:g}", "n": len(own)}
        line["nats a character"] = mean_with_interval([r["nats"] for r in own], 3)
        line["behind the best alone"] = mean_with_interval(behind, 3)
        line["rate at the end"] = short_number(median(r["learning_rate"] for r in own))
        line |= {name: short_number(median(r[name] for r in own), 4) for name in ("beta1", "beta2")}
        lines.append(line)
    return lines


def _best_alone(ends: Sequence[Row]) -> dict[int, float]:
    """The loss of every network by the rate that did best among those that stay."""
    of_start: dict[float, dict[int, float]] = {}
    for r in ends:
        if r["tuned by"] == "nothing":
            of_start.setdefault(r["start"], {})[r["seed"]] = r["nats"]
    return min(of_start.values(), key=lambda nats: fmean(nats.values()), default={})


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    """The loss by where training began, and the rate and the decays as they go."""
    ends = [r for r in rows if r["what"] == "end"]
    figure = ends_by_start(ends, lambda r: r["nats"], ylabel="test loss, nats a character")
    courses = hyperparameter_courses([r for r in rows if r["what"] == "curve"], NAMES)
    return {"towers_lstm": figure, "towers_lstm_rates": courses}
