"""Perturbing weights costs measurements like the number of weights, perturbing nodes far fewer.

Hinton's argument, measured. Ideal chips of growing width descend to the same loss on the same 256 images
(digits, 4 x 4 pixels) by plain gradient descent on an estimate, the rate chosen by the laws: that of the
exact gradient divided by E |ghat|^2 / |g|^2. The number of measurements is fitted by a power of the number of
weights and set beside the power that `learners.laws` predicts before anything is measured. Wider networks
need fewer steps by any method, so the powers are also given over the measurements of the exact gradient.

Published beside ours: Hinton's talk gives the argument without numbers; by Ren et al., table 1, the variance
of weight perturbation grows with p q, that of node perturbation with q.

Open questions: what the powers become where the batch grows with the network.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Literal, get_args

import torch
from matplotlib.figure import Figure
from scipy.stats import linregress
from scipy.stats import t as student_t
from torch import Tensor

from analog import Chip, Ideal, Layer, dense, stream, xray
from learners import Batch, CrossEntropy, Descent, NodePerturbation, WeightPerturbation, fit, sgd
from learners.data import load_data
from learners.learner import Learner

from ..kit.recipes.exact_gradient import ExactGradient
from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import plus_minus
from ..kit.run.arguments import SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row

Method = Literal["weight perturbation", "node perturbation", "nodes, layers in turn", "exact gradient"]
EXAMPLES = 256
PROBES = 16
PROBE_SIZE = 1e-3  # the chips are noiseless, so small; float32 rounding is 1e-4 of the difference


@dataclass(frozen=True)
class Args(SeededChips):
    widths: tuple[Count, ...] = (4, 13, 40, 126, 440)  # hidden neurons: about 27 weights each
    methods: tuple[Method, ...] = get_args(Method)
    chips: Count = 3  # identities
    loss: Positive = 1.5  # nats, where learning ends; it begins at 2.3
    max_reads: Positive = 3e8  # reads of single examples after which a run is given up


TOY = Args(widths=(4, 6), chips=1, loss=2.28, max_reads=2e6)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    width: int = 4
    method: Method = "exact gradient"
    chip: int = 0

    @property
    def name(self) -> str:
        return f"{self.width} wide, {self.method}, chip {self.chip}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, w, m, c) for w in args.widths for m in args.methods for c in range(args.chips)]


def run(trial: Trial) -> Iterator[Row]:
    args, batch = trial.args, _batch()
    layers = _layers(trial.width)
    cap = int(args.max_reads / EXAMPLES)
    rate, steps = _fastest(trial.args, trial.width, trial.chip)
    if steps is None:
        raise ValueError(f"scaling: {trial.name} does not reach a loss of {args.loss} by the exact gradient")
    excess = _excess(trial, layers, batch, rate, steps)
    cost = {"exact gradient": 1, "nodes, layers in turn": 1 + 2 * PROBES}.get(trial.method, 1 + PROBES)
    best: int | None = steps
    if trial.method != "exact gradient":
        best = None
        cap = min(cap // cost, math.ceil(4 * steps * excess))  # a rate too high may never blow up nor arrive
        for share in (1.0, 0.5):  # of the rate that the law allows: it is a law for quadratics
            count = _steps(trial, layers, batch, trial.method, share * rate / excess, best or cap)
            best = count if count is not None else best
    yield {
        "width": trial.width,
        "weights": sum(la.tiles * la.rows * la.cols for la in layers),
        "method": trial.method,
        "chip": trial.chip,
        "excess": excess,
        "steps": best,
        "reads": None if best is None else best * EXAMPLES * cost,
        "predicted": steps * excess * EXAMPLES * cost,
        "done": 1.0,
    }


_RATES = tuple(2.0**k for k in range(3, -7, -1))


@lru_cache
def _fastest(args: Args, width: int, chip: int) -> tuple[float, int | None]:
    """The rate at which the exact gradient needs fewest steps, and how many; None if it never gets there."""
    trial, layers, batch = Trial(args, width, "exact gradient", chip), _layers(width), _batch()
    rate, steps = _RATES[0], None
    for slower in _RATES:  # from above: a rate that blows up is known soon, a slow one is given up soon
        count = _steps(trial, layers, batch, "exact gradient", slower, steps or 500)
        rate, steps = (slower, count) if count is not None else (rate, steps)
    return rate, steps


def _layers(width: int) -> tuple[Layer, ...]:
    return dense(16, width), dense(width, 10, linear=True)


def _batch() -> Batch:
    """256 digits, 8 x 8 pixels averaged in fours."""
    train = load_data("digits").train
    x = train.x[:EXAMPLES].view(-1, 1, 8, 8)
    return Batch(torch.nn.functional.avg_pool2d(x, 2).flatten(1), train.target[:EXAMPLES])


def _steps(
    trial: Trial,
    layers: tuple[Layer, ...],
    batch: Batch,
    method: Method,
    learning_rate: float,
    max_steps: int,
) -> int | None:
    """Steps until the loss is reached, or None if it is not within `max_steps`."""
    chip = Chip(Ideal(), layers, trial.args.first_identity() + trial.chip)
    learner = _learner(chip, method, learning_rate)
    generator = stream(trial.args.seed, "scaling", trial.name, str(learning_rate))
    for number, (_, step) in enumerate(
        fit(learner, chip.port(), (batch for _ in range(max_steps)), generator)
    ):
        loss = float(step.loss)
        if loss <= trial.args.loss:
            return number
        if not loss < 20:  # it has blown up
            return None
    return None


def _learner(chip: Chip, method: Method, learning_rate: float) -> Learner:
    update, loss = sgd(learning_rate), CrossEntropy()
    if method == "exact gradient":
        return ExactGradient(chip, update, loss)
    if method == "weight perturbation":
        return Descent(WeightPerturbation(PROBE_SIZE, PROBES), update, loss, delta_rule=False)
    nodes, in_turn = NodePerturbation(PROBE_SIZE, PROBES, mask=False), method == "nodes, layers in turn"
    return Descent(nodes, update, loss, delta_rule=False, in_turn=in_turn)


def _excess(trial: Trial, layers: tuple[Layer, ...], batch: Batch, rate: float, steps: int) -> float:
    """E |ghat|^2 / |g|^2 by the laws, averaged over the steps of the exact gradient."""
    if trial.method == "exact gradient":
        return 1.0
    chip = Chip(Ideal(), layers, trial.args.first_identity() + trial.chip)
    ratios = []
    learning = fit(ExactGradient(chip, sgd(rate), CrossEntropy()), chip.port(), [batch] * steps, stream(0))
    ratios.append(_ratio(chip, batch, trial.method))
    for _ in learning:
        ratios.append(_ratio(chip, batch, trial.method))
    return float(sum(ratios) / len(ratios))


def _ratio(chip: Chip, batch: Batch, method: Method) -> float:
    """1 + variance / |g|^2. Signs: (D - 1)/K for weights; sum |x|^2 (q T^2 - |d|^2) / (N^2 K) for nodes."""
    gradient = xray.knob_gradient(chip, batch.x, batch.target, CrossEntropy())
    square = sum(float(g.square().sum()) for g in gradient)
    if method == "weight perturbation":
        return 1 + (sum(g.numel() for g in gradient) - 1) / PROBES
    gradients = xray.node_gradient(chip, batch.x, batch.target, CrossEntropy())
    squares = [d.square().sum(-1) for d in gradients]  # (N,) of each layer
    variance = 0.0
    inputs = (batch.x, *xray.respond(chip, batch.x).taps[:-1])
    for d, of_layer, x in zip(gradients, squares, inputs, strict=True):
        probed: Tensor = of_layer if method == "nodes, layers in turn" else torch.stack(squares).sum(0)
        excess = d.shape[-1] * probed - of_layer
        variance += float(((x.square().sum(-1) + 1) * excess).sum()) / len(x) ** 2 / PROBES
    return 1 + variance / square


def table(rows: Sequence[Row]) -> list[Row]:
    exact = {(r["width"], r["chip"]): r["reads"] for r in rows if r["method"] == "exact gradient"}
    lines = []
    for method in dict.fromkeys(r["method"] for r in rows):
        of_method = [r for r in rows if r["method"] == method]
        over_exact = [
            {"weights": r["weights"], **{k: r[k] and r[k] / exact[pair] for k in ("reads", "predicted")}}
            for r in of_method
            if (pair := (r["width"], r["chip"])) in exact
        ]
        arrived = [r for r in over_exact if r["reads"]]
        lines.append(
            {
                "method": method,
                "power of weights": _power([r for r in of_method if r["reads"]], "reads"),
                "predicted": _power(of_method, "predicted"),
                "over exact": "" if method == "exact gradient" else _power(arrived, "reads"),
                "predicted over exact": "" if method == "exact gradient" else _power(over_exact, "predicted"),
                "given up": len(of_method) - len([r for r in of_method if r["reads"]]),
            }
        )
    return lines


def _power(rows: Sequence[Row], what: str) -> str:
    """The fitted power of the number of weights, with its 95 % interval over widths and chips."""
    if len({r["weights"] for r in rows}) < 2:
        return ""
    logs = torch.tensor([[r["weights"], r[what]] for r in rows], dtype=torch.float64).log()
    line = linregress(logs[:, 0].numpy(), logs[:, 1].numpy())
    half_width = float(student_t.ppf(0.975, max(1, len(rows) - 2))) * line.stderr
    return plus_minus(line.slope, half_width)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(width=4.2, height=3.4)
    for method, look in looks(get_args(Method)).items():
        of_method = sorted((r for r in rows if r["method"] == method), key=lambda r: r["weights"])
        arrived = [r for r in of_method if r["reads"]]
        dots = {**look, "ls": "", "alpha": 0.7}
        axis.plot([r["weights"] for r in arrived], [r["reads"] for r in arrived], label=method, **dots)
        sizes = sorted({r["weights"] for r in of_method})
        predicted = [fmean(r["predicted"] for r in of_method if r["weights"] == w) for w in sizes]
        axis.plot(sizes, predicted, color=look["color"], lw=0.8)
    axis.set(xlabel="weights of the network", ylabel="reads to reach the loss", xscale="log", yscale="log")
    legend(figure)
    note(figure, "each chip a dot; lines: predicted by the laws")
    return {"scaling": figure}
