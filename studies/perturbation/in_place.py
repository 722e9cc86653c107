"""Learned feedback trains a chip in place nearly as well as the exact gradient of that very chip would.

Every method trains the same chips from the same data with the same batches and the same update rule
(Adam, learning rate falling linearly to zero): learned feedback (node perturbation that teaches a backward
model, `recipes.learned_feedback`) and weight perturbation through the wires alone, and the exact gradient by
x-ray, which no real hardware allows. Perturbation methods use the same number of reads per step; the probe
size at nodes is tuned from the wires. Learning rate, number of probes and the feedback's settings were chosen
on held-out training data.

Beside ours: the digital 784-256-10 network with backprop gives 98.1 % on MNIST; published in-place results:
active node perturbation 92.9 %, decorrelated node perturbation 96.4 %, weight-perturbation forward gradient
90.9 % (larger networks, noiseless).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, get_args

from matplotlib.figure import Figure

from analog import Chip, Ideal, Ledger, Mismatched, Port, metered, stream
from analog.devices import SoftBoundsRRAM
from learners import CrossEntropy, NodePerturbation, evaluate, fit, recipes, tune_probe_size
from learners.data import Dataset, batches, count_steps, load_data
from learners.learner import Learner
from learners.recipes import PROBE_SIZE

from ..kit.recipes.exact_gradient import ExactGradient
from ..kit.recipes.published_learner import decaying_adam, learned_feedback
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import log_spaced
from ..kit.report.tables import fixed, low_high, mean_of, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row

Method = Literal["learned feedback", "weight perturbation", "exact gradient"]


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder of IDX files
    devices: tuple[AnyDevice, ...] = (Ideal(), Mismatched(), SoftBoundsRRAM())  # each, by every method
    methods: tuple[Method, ...] = get_args(Method)  # what trains the chips
    chips: Count = 3  # identities, each a trial of its own
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # by default 45, or 15 on large data
    probes: Count | None = None  # measured directions a step; by default 4
    probe_size: Positive | None = None  # V, of learned feedback; by default tuned from the wires alone


TOY = Args(devices=(Ideal(), SoftBoundsRRAM()), chips=1, epochs=0.3, hidden=8)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched()
    method: Method = "learned feedback"
    chip: int = 0

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, {self.method}, chip {self.chip}"

    @property
    def identity(self) -> int:
        return self.args.first_identity() + self.chip


def plan(args: Args) -> list[Trial]:
    return [Trial(args, d, m, c) for d in args.devices for m in args.methods for c in range(args.chips)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden, epochs=args.epochs, probes=args.probes)
    chip = Chip(trial.device, network(data, size.hidden), trial.identity, noise_seed=args.seed)
    port, ledger = chip.port(), Ledger(chip.spec)

    def generator(*path: str | int) -> Any:
        return stream(args.seed, "in_place", trial.chip, *path)  # every method sees the same batches

    examples = batches(data.train, size.batch, size.epochs, generator("data"))
    wires = metered(port, ledger)
    probe_size = (
        _probe_size(trial, wires, data, size, generator) if trial.method == "learned feedback" else None
    )
    learning = fit(_learner(trial, chip, data, size, probe_size), wires, examples, generator("probes"))
    about = {"device": reference(trial.device), "method": trial.method, "chip": trial.identity}
    total = count_steps(data.train, size.batch, size.epochs)
    for step in log_spaced(learning, total):
        score = float(evaluate(port, data.test))
        yield {
            "what": "curve",
            **about,
            "step": step,
            "accuracy": round(score, 6),
            "done": round(step / total, 4),
        }
    yield {
        "what": "end",
        **about,
        "accuracy": round(float(evaluate(port, data.test)), 6),
        "train_accuracy": round(float(evaluate(port, data.train)), 6),
        "probe_size": probe_size,
        "reads": max(ledger.reads),
        "pulses_per_cell": float(ledger.pulses_per_cell),
        "joules": float(ledger.joules),
        "seconds": ledger.seconds,
    }


def _probe_size(
    trial: Trial, wires: Port, data: Dataset, size: TrainingSize, generator: Callable[..., Any]
) -> float:
    """V, as asked for, or tuned by the laws from the wires of this very chip, at its expense."""
    if trial.args.probe_size is not None:
        return trial.args.probe_size
    (first,) = batches(data.train, size.batch, 1e-9, generator("first"))
    start = NodePerturbation(PROBE_SIZE, size.probes)
    return tune_probe_size(start, wires, first, CrossEntropy(), generator("tune"), last=0)[0].size


def _learner(
    trial: Trial, chip: Chip, data: Dataset, size: TrainingSize, probe_size: float | None
) -> Learner:
    update = decaying_adam(data, size.batch, size.epochs, size.learning_rate)
    if probe_size is not None:
        return learned_feedback(size.probes, update, probe_size)(CrossEntropy())
    if trial.method == "exact gradient":
        return ExactGradient(chip, update, CrossEntropy())
    return recipes.weight_perturbation(CrossEntropy(), probes=size.probes, update=update)


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for device in dict.fromkeys(r["device"] for r in rows):
        ends = [r for r in rows if r["what"] == "end" and r["device"] == device]
        exact = [r["accuracy"] for r in ends if r["method"] == "exact gradient"]
        for method in dict.fromkeys(r["method"] for r in ends):
            of_method = [r for r in ends if r["method"] == method]
            scores = [100 * r["accuracy"] for r in of_method]
            lines.append(
                {
                    "device": device.rpartition(":")[2],
                    "method": method,
                    "accuracy %": fixed(fmean(scores)),
                    "from to %": low_high(scores),
                    "behind exact": fixed(100 * fmean(exact) - fmean(scores) if exact else None),
                    "reads": short_number(mean_of(of_method, "reads")),
                    "pulses/cell": short_number(mean_of(of_method, "pulses_per_cell")),
                }
            )
    return lines


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    devices = list(dict.fromkeys(r["device"] for r in rows))
    figure = Figure(figsize=(4.5 * len(devices), 4), layout="constrained")
    axes = figure.subplots(1, len(devices), sharey=True, squeeze=False)[0]
    colors = dict(zip(get_args(Method), ("tab:green", "tab:red", "tab:gray"), strict=True))
    for axis, device in zip(axes, devices, strict=True):
        for trial in dict.fromkeys(r["trial"] for r in rows if r["device"] == device):
            points = [r for r in rows if r["trial"] == trial and r["what"] == "curve"]
            first = points[0]["chip"] == min(r["chip"] for r in rows)
            method = points[0]["method"]
            axis.plot(
                [p["step"] for p in points],
                [100 * (1 - p["accuracy"]) for p in points],
                color=colors[method],
                label=method if first else None,
            )
        axis.set(
            title=device.rpartition(":")[2], xlabel="step", ylabel="test error %", xscale="log", yscale="log"
        )
        axis.grid(which="both", alpha=0.3)
        axis.legend()
    path = folder / "in_place.png"
    figure.savefig(path, dpi=130)
    return [path]
