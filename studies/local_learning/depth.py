"""Node perturbation of a whole chip fails as it grows deep; with local objectives it holds out longest.

Chips of one to eight equal hidden layers, 3 of each as a fleet, learn in place by node perturbation, the
read-out by its own delta rule, with the same lessons and the same update (Adam, rate falling to zero):

    plain         all hidden layers are probed at once
    in turn       one layer after another, each in measurements of its own: nothing leaks between layers
    decorrelated  all at once, every layer's inputs decorrelated by a matrix in the wiring
    greedy        every layer has a digital read-out of its own and is taught by that alone
    exact         the exact gradient by x-ray, which no real hardware allows, for as many steps as `plain`

What is equal: measurements, counted as vectors through layers (a batch of 64 read by 9 layers is 576), by
which a chip is also charged its seconds. So `in turn`, whose step costs more, makes fewer steps. Digital
arithmetic (heads, matrices) is not charged. Each way's rate is chosen at each depth among the same few, on
a fifth of the training data held out, from other chips; probe size and decorrelation are the same for all.

The aim is the cosine between the gradient estimated from one batch and the exact gradient of the objective
that the way descends (of its local objectives for `greedy`), at the knobs of all hidden layers.

Knobs start out scattered with variance gain^2 / fan-in. The choice matters: on eight layers of fresh chips
(about gain 1) what the outputs of a layer differ by between examples falls from 0.21 to 0.04 V, noise being
0.02 V; at gain 1.4 from 0.26 to 0.16 V, noise 0.04 V.

Published: nothing at equal measurements that we know of.

Ours (digits, seed 0; mean test error in % of 3 Mismatched chips, and the early aim):

    hidden layers         1           2           3           4           6           8
    plain             4.3 0.33    4.6 0.24    4.5 0.24    5.4 0.20   10.6 0.16   14.5 0.11
    in turn           4.3 0.33    5.0 0.39    5.5 0.42    5.0 0.17    8.6 0.21    8.6 0.17
    decorrelated      3.2 0.23    3.7 0.13    4.3 0.12    4.6 0.09    8.8 0.07   17.3 0.05
    greedy            4.1 0.48    4.4 0.38    4.5 0.66    5.2 0.63    5.1 0.56    7.4 0.47
    exact             3.5         2.6         2.3         2.6         3.5         2.7

Up to 4 layers the ways are alike within what 3 chips differ by (about 1 %), decorrelation first; from 6 on
greedy is clearly ahead. Aims are taken where each way's rate has led it. With 6 passes plain is ahead at 3
layers (7.5 against 8.2) and far behind at 6 (28.0 against 11.0): layers so taught wait for those below.

With learned feedback in both ways (`--feedback --chips 10 --depths 3 4 6 8 --ways plain greedy`; mean of 10
chips) greedy is ahead at each of these depths: 3.1 against 3.7 %, 3.4 against 3.9, 3.4 against 4.1, 3.4
against 5.6. The slope of a layer right below its head has the very form that feedback foresees; deeper ones
have not. On MNIST (`--data mnist --feedback --epochs 4 --tried 1 --rates 3e-3 1e-2`, 3 chips): 2.24 against
2.66 % with 3 hidden layers, 2.14 against 3.01 with 4, every greedy chip ahead of every plain one; without
feedback, in 3 passes, 6.2 against 6.5 with 3.

Open questions: what is lost by greed itself, which the exact gradient of the local
objectives would tell.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any
from typing import Final
from typing import Literal
from typing import get_args

import torch
from matplotlib.figure import Figure
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Ledger
from analog import Mismatched
from analog import Port
from analog import dense
from analog import metered
from analog import stream
from learners import CrossEntropy
from learners import Decorrelated
from learners import Descent
from learners import NodePerturbation
from learners import Update
from learners import adam
from learners import linear_decay
from learners import sgd
from learners.data import Dataset
from learners.data import count_steps
from learners.data import draw_batches
from learners.data import held_out
from learners.data import load_data
from learners.learner import Learner
from learners.local import Block
from learners.local import Greedy

from ..kit.metrics import gradient_alignment
from ..kit.recipes.deep_chips import head
from ..kit.recipes.deep_chips import loudness
from ..kit.recipes.deep_chips import own_rates
from ..kit.recipes.deep_chips import scattered
from ..kit.recipes.deep_chips import wiring
from ..kit.recipes.standard import FEEDBACK
from ..kit.recipes.standard import PROBE_SIZE
from ..kit.recipes.standard import Exact
from ..kit.recipes.standard import Scale
from ..kit.recipes.standard import accuracy
from ..kit.recipes.standard import scale
from ..kit.run.references import AnyDevice
from ..kit.run.study import Row

Way = Literal["plain", "in turn", "decorrelated", "greedy", "exact"]
DECORRELATION: Final = 1e-3  # rate of the matrices; best of 1e-2, 1e-3 and 1e-4 on held-out digits
AIMED: Final = 8  # batches over which an aim is averaged


@dataclass(frozen=True)
class Args:
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder of IDX files
    device: AnyDevice = Mismatched()
    ways: tuple[Way, ...] = get_args(Way)
    depths: tuple[int, ...] = (1, 2, 3, 4, 6, 8)  # hidden layers
    chips: int = 3  # identities, one fleet
    tried: int = 2  # other identities, on which each rate is tried
    hidden: int | None = None  # neurons of a layer; by default 64, or 256 on large data
    epochs: float = 20  # of `plain`
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)  # among which each way's is chosen
    gain: float | None = 1.4  # of the first knobs; None: as fabricated
    feedback: bool = False  # whether slopes are foreseen by learned feedback, as in `in_place`
    seed: int = 0  # of data order, probes and the chips' noise


TOY = Args(
    ways=("plain", "decorrelated", "greedy"),
    depths=(1, 2),
    chips=2,
    tried=1,
    hidden=8,
    epochs=0.3,
    rates=(0.01,),
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    way: Way = "plain"
    depth: int = 3

    @property
    def name(self) -> str:
        return f"{self.way}, {self.depth} deep"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, way, depth) for depth in args.depths for way in args.ways]


def run(trial: Trial) -> Iterator[Row]:
    args, about = trial.args, {"way": trial.way, "depth": trial.depth}
    data, rates = load_data(args.data), torch.tensor(args.rates)
    others = [args.chips + k for k in range(args.tried)]
    search = Training(trial, held_out(data), others * len(rates), rates.repeat_interleave(len(others)))
    search.go_on(search.steps)
    scores = accuracy(search.wires(), search.data.test).view(len(rates), -1).mean(-1)
    for rate, score in zip(args.rates, scores.tolist(), strict=True):
        yield {"what": "rate", **about, "rate": rate, "accuracy": round(score, 6)}
    best = int(scores.argmax())
    training = Training(trial, data, range(args.chips), rates[best].expand(args.chips))
    yield {"what": "start", **about, **loudness(training.chip, data.train.x[:512])}
    for moment, step in (("early", -(-training.steps // 10)), ("end", training.steps)):
        training.go_on(step)
        yield {"what": "aim", **about, "moment": moment, "step": step, "aim": training.aim()}
    yield {
        "what": "end",
        **about,
        "accuracy": [round(a, 6) for a in accuracy(training.wires(), data.test).tolist()],
        "rate": args.rates[best],
        "steps": training.steps,
        "layer_reads": sum(training.ledger.reads),
        "done": 1.0,
    }


class Training:
    """A fleet taught in one way, each chip at a rate of its own."""

    def __init__(self, trial: Trial, data: Dataset, identities: Sequence[int], rates: Tensor) -> None:
        args = trial.args
        self.trial, self.data = trial, data
        self.size = scale(data, hidden=args.hidden, epochs=args.epochs)
        self.chip = Chip(
            args.device, wiring(data, self.size.hidden, trial.depth), identities, noise_seed=args.seed
        )
        if args.gain is not None:
            self.chip.port().program(scattered(self.chip, args.gain, stream(args.seed, "depth", "knobs")))
        self.ledger = Ledger(self.chip.spec)
        self.port = metered(self.chip.port(), self.ledger)
        self.steps = counted(trial, data, self.size)
        update = own_rates(linear_decay(adam(1.0), self.steps), rates)
        self.learner = learner(trial, self.chip, self.size, update)
        self.state = self.learner.init(self.chip.spec)
        self.done = 0
        self._lessons = draw_batches(data.train, self.size.batch, self.steps, self._rng("data"))
        self._probes = self._rng("probes")

    def _rng(self, what: str) -> Generator:  # every way and depth meets the same examples
        return stream(self.trial.args.seed, "depth", what)

    def go_on(self, until: int) -> None:
        """Learn up to so many steps in all."""
        while self.done < until:
            self.state, _ = self.learner.step(self.port, next(self._lessons), self.state, self._probes)
            self.done += 1

    def wires(self) -> Port:
        """Through which the chips are asked, with what the way put around them."""
        if self.trial.way == "decorrelated":
            return gradient_alignment.fully_decorrelated(self.chip.port(), self.state.decorrelators)
        return self.chip.port()

    def aim(self) -> list[float]:
        """Of each chip, over some batches."""
        if self.trial.way == "exact":
            return [1.0] * self.trial.args.chips
        asking = learner(self.trial, self.chip, self.size, sgd(1.0))
        found = []
        for batch in draw_batches(self.data.train, self.size.batch, AIMED, self._rng("aims")):
            told = gradient_alignment.estimate(
                asking, self.chip.port(), batch, self.state, self._rng("aiming")
            )
            if self.trial.way == "greedy":
                heads = [b.head for b in self.state.blocks[:-1]]
                exact = gradient_alignment.local_gradient(
                    self.chip, batch, head(self.data, self.size.hidden), heads
                )
            elif self.trial.way == "decorrelated":
                exact = gradient_alignment.decorrelated_gradient(self.chip, batch, self.state.decorrelators)
            else:
                exact = gradient_alignment.hidden_gradient(self.chip, batch)
            found.append(gradient_alignment.cosine(told[:-1], exact, self.trial.args.chips))
        return [round(a, 4) for a in torch.stack(found).mean(0).tolist()]


def probes_of(trial: Trial, size: Scale) -> int:
    """Probes of a set: `in turn` shares them out between layers, as far as they go."""
    return -(-size.probes // trial.depth) if trial.way == "in turn" else size.probes


def counted(trial: Trial, data: Dataset, size: Scale) -> int:
    """Steps that come to as many vectors through layers as the epochs of `plain`."""
    layers, each = trial.depth + 1, probes_of(trial, size)
    plain = layers * (1 + size.probes)
    cost = layers + each * sum(range(2, layers + 1)) if trial.way == "in turn" else plain
    return max(1, round(count_steps(data.train, size.batch, size.epochs) * plain / cost))


def learner(trial: Trial, chip: Chip[Any], size: Scale, update: Update) -> Learner[Any]:
    loss, foreseen = CrossEntropy(), FEEDBACK if trial.args.feedback else None
    estimator = NodePerturbation(PROBE_SIZE, probes_of(trial, size), mask=True)
    if trial.way == "exact":
        return Exact(chip, update, loss)
    inside = Descent(estimator, update, loss, delta=True, in_turn=trial.way == "in turn", control=foreseen)
    if trial.way == "decorrelated":
        return Decorrelated(inside, DECORRELATION)
    if trial.way == "greedy":
        own = dense(size.hidden, chip.spec.layers[-1].features, linear=True)
        return Greedy((*(Block(1, inside, own) for _ in range(trial.depth - 1)), Block(2, inside)))
    return inside


def table(rows: Sequence[Row]) -> list[Row]:
    ends = [r for r in rows if r["what"] == "end"]
    made = []
    for depth in dict.fromkeys(r["depth"] for r in ends):
        line: Row = {"hidden layers": depth}
        for end in [r for r in ends if r["depth"] == depth]:
            errors = [100 - 100 * a for a in end["accuracy"]]
            aim = fmean(_aims(rows, end["way"], depth, "early"))
            line[f"{end['way']}, error %"] = f"{fmean(errors):.2f} ({min(errors):.1f} {max(errors):.1f})"
            if end["way"] != "exact":
                line[f"{end['way']}, aim"] = f"{aim:.2f}"
        made.append(line)
    return made


def _aims(rows: Sequence[Row], way: str, depth: int, moment: str) -> list[float]:
    key = ("aim", way, depth, moment)
    (row,) = [r for r in rows if r["what"] == "aim" and (r["what"], r["way"], r["depth"], r["moment"]) == key]
    found: list[float] = row["aim"]
    return found


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    ends = [r for r in rows if r["what"] == "end"]
    colours = dict(
        zip(get_args(Way), ("tab:red", "tab:orange", "tab:purple", "tab:green", "gray"), strict=True)
    )
    for way in dict.fromkeys(r["way"] for r in ends):
        chosen = [r for r in ends if r["way"] == way]
        depths = [r["depth"] for r in chosen]
        errors = [[100 - 100 * a for a in r["accuracy"]] for r in chosen]
        left.plot(depths, [fmean(e) for e in errors], "o-", ms=4, color=colours[way], label=way)
        left.fill_between(
            depths, [min(e) for e in errors], [max(e) for e in errors], color=colours[way], alpha=0.2
        )
        for moment, line in (("early", "o-"), ("end", "o:")) if way != "exact" else ():
            found = [fmean(_aims(rows, way, d, moment)) for d in depths]
            label = way if moment == "early" else None
            right.plot(depths, found, line, ms=4, color=colours[way], label=label)
    left.set(xlabel="hidden layers", ylabel="test error %", yscale="log", title="3 chips: mean and range")
    right.set(
        xlabel="hidden layers", ylabel="cosine with the exact gradient", title="early; dotted: at the end"
    )
    for axis in (left, right):
        axis.grid(which="both", alpha=0.3)
        axis.legend()
    path = folder / "depth.png"
    figure.savefig(path, dpi=130)
    return [path]
