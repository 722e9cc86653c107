"""At a small rate perturbation learns just as the exact gradient does, only slower; at a large one noisier.

Hinton's sentence, measured. Chips of one hidden layer descend by plain gradient descent at a constant rate,
on the same batches: by weight perturbation and by node perturbation of all layers (no mask, no delta rule, no
feedback), and by the exact gradient. Three views of the same runs, over a sweep of rates:

    equal steps  all make as many steps; perturbation drives the chip 1 + probes times as often
    equal reads  the exact gradient makes 1 + probes times as many steps
    equal way    rate * steps is the same, so that the exact gradient comes about equally far at every rate:
                 how far the knobs are from where the exact gradient takes them at the same rate, in units of
                 the way that it makes (`separation`)

Were it the exact gradient with independent noise, `separation` would fall with the root of the rate.
A rate at which the loss of any chip of a fleet blows up (above 50 nats) is given up.

Published beside ours: none; the sentence is of Hinton's talk "Mortal computers", without numbers.

Open questions: momentum and Adam, whose steps have a size of their own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, get_args

import torch
from matplotlib.figure import Figure
from torch import Tensor

from analog import Chip, Ideal, Knobs, Ledger, metered, stream, xray
from learners import CrossEntropy, Descent, NodePerturbation, WeightPerturbation, evaluate, fit, sgd
from learners.data import Dataset, draw_batches, load_data
from learners.learner import Learner

from ..kit.recipes.exact_gradient import ExactGradient
from ..kit.recipes.methods import Recipe, Setup, learner_by_name, make_learner, method_name
from ..kit.recipes.training_size import network
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import mean_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row

Method = Literal["weight perturbation", "node perturbation", "exact gradient"]
AnyLearner = Annotated[Method | Recipe | Learner, learner_by_name(get_args(Method))]
BATCH: Final = 64
JUDGED: Final = 512  # training examples on which the loss is measured
BLOWN_UP: Final = 50.0  # nats


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Ideal()  # noiseless, so that what is noisy is the estimate
    learners: tuple[AnyLearner, ...] = get_args(Method)  # one's own descends by update=, if it takes it
    rates: tuple[Positive, ...] = tuple(4.0**-k for k in range(-1, 8))  # of gradient descent
    chips: Count = 5  # identities, one fleet
    hidden: Count = 32  # neurons
    steps: Count = 4096  # of perturbation; the exact gradient goes on until it has read as much
    way: Positive = 1.0  # rate * steps at which knobs are compared
    probes: Count = 4  # directions a step
    probe_size: Positive = 1e-3  # V at nodes, full scale at knobs; more on devices that are noisy


TOY = Args(rates=(0.25, 0.0625), chips=2, hidden=4, steps=16)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: AnyLearner = "node perturbation"
    rate: float = 0.25

    @property
    def name(self) -> str:
        return f"{method_name(self.method)}, rate {self.rate:.4g}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, method, rate) for method in args.learners for rate in args.rates]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    training = Training(trial, data)
    exact = trial.method == "exact gradient"
    steps = args.steps * (1 + args.probes if exact else 1)
    separation = None if exact else _separation(trial, data)
    about = {"method": method_name(trial.method), "rate": trial.rate}
    pauses = {2**k for k in range(steps.bit_length())} | {args.steps, steps}
    for step in range(1, steps + 1):
        finite = training.step()
        if step in pauses or not finite:
            loss, error = training.judge() if finite else (None, None)
            yield {
                "what": "curve" if finite and step < steps else "end",
                **about,
                "step": step,
                "loss": loss,
                "error": error,
                "reads": max(training.ledger.reads),
                "separation": separation,
                "done": step / steps if finite else 1.0,
            }
        if not finite:
            return


class Training:
    """A fleet that descends at one constant rate."""

    def __init__(self, trial: Trial, data: Dataset) -> None:
        args = trial.args
        self.data = data
        self.chip = Chip(
            args.device, network(data, args.hidden), args.identities(args.chips), noise_seed=args.seed
        )
        self.ledger = Ledger(self.chip.spec)
        most = args.steps * (1 + args.probes)
        examples = draw_batches(data.train, BATCH, most, stream(args.seed, "rate", "data"))
        wires, probes = metered(self.chip.port(), self.ledger), stream(args.seed, "rate", "probes")
        self._steps = fit(_learner(trial, self.chip), wires, examples, probes)

    def step(self) -> bool:
        """Make one step; whether no loss had blown up before it."""
        _, step = next(self._steps)
        return bool((step.loss < BLOWN_UP).all())

    def judge(self) -> tuple[list[float], list[float]]:
        """The loss (nats) on training examples and the share of wrong test examples, of each chip."""
        some, port = self.data.train, self.chip.port()
        out = port.measure(some.x[:JUDGED]).out
        losses = CrossEntropy()(out, some.target[:JUDGED]).mean(-1)
        return _rounded(losses), _rounded(1 - evaluate(port, self.data.test))


def _learner(trial: Trial, chip: Chip) -> Learner:
    args, update, loss = trial.args, sgd(trial.rate), CrossEntropy()
    if not isinstance(trial.method, str):
        return make_learner(trial.method, Setup(chip, update, args.probes, steps=args.steps))
    if trial.method == "exact gradient":
        return ExactGradient(chip, update, loss)
    if trial.method == "weight perturbation":
        return Descent(WeightPerturbation(args.probe_size, args.probes), update, loss, delta_rule=False)
    nodes = NodePerturbation(args.probe_size, args.probes, mask=False)
    return Descent(nodes, update, loss, delta_rule=False)


def _separation(trial: Trial, data: Dataset) -> list[float] | None:
    """How far a method is from the exact gradient after the same way, of each chip; None if none was made."""
    args, steps = trial.args, max(1, round(trial.args.way / trial.rate))
    if steps > args.steps or steps * trial.rate > 1.5 * args.way:
        return None
    ends: list[Knobs] = []
    exact = Trial(args, "exact gradient", trial.rate)
    for each in (trial, exact):
        training = Training(each, data)
        begun = xray.knobs(training.chip)
        if not all(training.step() for _ in range(steps)):
            return None
        ends.append(xray.knobs(training.chip))
    ours, theirs = ends
    distance, way = (_length(a, b) for a, b in ((ours, theirs), (theirs, begun)))
    return _rounded(distance / way)


def _length(one: Knobs, other: Knobs) -> Tensor:  # (*fleet,)
    return (
        torch.stack([(a - b).square().sum((-3, -2, -1)) for a, b in zip(one, other, strict=True)])
        .sum(0)
        .sqrt()
    )


def _rounded(values: Tensor) -> list[float]:
    return [round(value, 6) for value in values.tolist()]


def _at(
    rows: Sequence[Row], method: str, rate: float, *, step: int | None = None, reads: int | None = None
) -> Row:
    """The row of a run at a step, or at its last within so many reads; the last one if it was given up."""
    mine = [r for r in rows if (r["method"], r["rate"]) == (method, rate)]
    there = [
        r for r in mine if (step is None or r["step"] <= step) and (reads is None or r["reads"] <= reads)
    ]
    return mine[-1] if mine[-1]["loss"] is None else there[-1]


def table(rows: Sequence[Row]) -> list[Row]:
    if not rows:
        return []
    step, reads = _common(rows)
    return [_line(rows, method, rate, step, reads) for method, rate in _runs(rows)]


def _line(rows: Sequence[Row], method: str, rate: float, step: int, reads: int) -> Row:
    steps, read = _at(rows, method, rate, step=step), _at(rows, method, rate, reads=reads)

    def shown(values: list[float] | None, factor: float = 1, digits: int = 3) -> str:
        return "blew up" if values is None else mean_with_interval([factor * v for v in values], digits)

    return {
        "method": method,
        "rate": short_number(rate),
        f"loss after {step} steps": shown(steps["loss"]),
        "error %": shown(steps["error"], 100, 1),
        f"loss after {short_number(reads)} reads": shown(read["loss"]),
        "error there %": shown(read["error"], 100, 1),
        "separation at equal way": "" if steps["separation"] is None else shown(steps["separation"]),
    }


def _runs(rows: Sequence[Row]) -> list[tuple[str, float]]:
    return list(dict.fromkeys((r["method"], r["rate"]) for r in rows))


def _common(rows: Sequence[Row]) -> tuple[int, int]:
    """Steps and reads that every run makes if it is not given up."""
    finished: dict[tuple[str, float], Row] = {}
    for row in rows:
        if row["loss"] is not None:
            finished[row["method"], row["rate"]] = row
    longest: dict[str, Row] = {}
    for (method, _), row in finished.items():
        longest[method] = max(row, longest.get(method, row), key=lambda r: r["step"])
    return min(r["step"] for r in longest.values()), min(r["reads"] for r in longest.values())


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, axes = panels(3)
    labels = ("training loss, nats", "training loss, nats", "separation from the exact gradient, of its way")
    for axis, label in zip(axes, labels, strict=True):
        axis.set(xlabel="learning rate", ylabel=label)
    if not any(r["loss"] for r in rows):
        return {"rate": figure}
    step, reads = _common(rows)
    titles = (f"after {step} steps", f"after {short_number(reads)} reads", "at equal rate * steps")
    for axis, title in zip(axes, titles, strict=True):
        axis.set(title=title, xscale="log", yscale="log")
    for method, look in looks(r["method"] for r in rows).items():
        rates = sorted(rate for name, rate in _runs(rows) if name == method)
        at_steps = {rate: _at(rows, method, rate, step=step) for rate in rates}
        at_reads = {rate: _at(rows, method, rate, reads=reads) for rate in rates}
        views = ((at_steps, "loss"), (at_reads, "loss"), (at_steps, "separation"))
        for axis, (found, key) in zip(axes, views, strict=True):
            points = {rate: r[key] for rate, r in found.items() if r[key] is not None}
            course(axis, points, label=method, **look)
    legend(figure)
    chips = max(len(r["loss"]) for r in rows if r["loss"])
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}; rates that are missing blew up")
    return {"rate": figure}
