"""A backward model is what learns: learned from probes or measured, it nears the chip's exact gradient.

Every method trains the same chips from the same data with the same batches and the same update rule
(Adam, learning rate falling linearly to zero), through the wires alone:

    node perturbation                 plain; no model of the chip, given or learned
    node perturbation + feedback      feedback learned from the probes as a control variate; still unbiased
    learned feedback                  the same, but only a fifth of what probes say beside it is believed
    learned feedback alone            probes teach the backward model, and nothing else
    weight perturbation               of all layers
    weight perturbation + delta rule  the read-out by its delta rule, as in all rows above
    weight perturbation + feedback    and feedback learned from probes at knobs as a control variate; unbiased
    measured feedback                 a backward model read through the wires, one input raised at a time
    exact gradient                    by x-ray, which no real hardware allows; at the best of five rates

Perturbation methods use the same number of reads per step; the probe size at nodes is tuned from the wires.
Learning rate, number of probes and the feedback's settings were chosen on held-out training data; that of the
exact gradient is chosen anew, on held-out training data and on other chips. `access` is the least that a
method needs of the wires; with feedback of any kind a model of the chip is learned or measured.

Published in-place results beside ours: active node perturbation 92.9 % (two layers of 64), decorrelated node
perturbation 96.4 % (three of 1024), weight-perturbation forward gradient 90.9 %; other networks and other
optimizers, noiseless, one perturbation, no feedback and no delta rule: they belong beside the plain rows.

Learners of one's own stand beside them: `--learners "mine:MyLearner(size=0.1)" "learned feedback"`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import fmean
from typing import Any, get_args

from matplotlib.figure import Figure

from analog import Chip, Ideal, Ledger, Mismatched, Port, metered, stream
from analog.devices import SoftBoundsRRAM
from learners import CrossEntropy, NodePerturbation, evaluate, fit, tune_probe_size
from learners.access import stated_access
from learners.data import Dataset, batches, count_steps, held_out, load_data
from learners.learner import Learner
from learners.recipes import PROBE_SIZE

from ..kit.metrics.timings import Timed
from ..kit.recipes.best_rate import best_exact_rate
from ..kit.recipes.methods import PROBED_NODES, AnyLearner, MethodName, Setup, make_learner, method_name
from ..kit.recipes.published_learner import decaying_adam
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import log_spaced
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import mean_of, mean_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips, WithPrecision
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row


@dataclass(frozen=True)
class Args(SeededChips, WithPrecision):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    devices: tuple[AnyDevice, ...] = (Ideal(), Mismatched(), SoftBoundsRRAM())  # each, by every method
    learners: tuple[AnyLearner, ...] = get_args(MethodName)  # what trains the chips
    chips: Count = 3  # identities, each a trial of its own
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # by default 45, or 15 on large data
    batch: Count | None = None  # examples of a step; by default 64, or 256 on large data
    learning_rate: Positive | None = None  # at first, of Adam; by default 0.01, or 0.006 on large data
    probes: Count | None = None  # measured directions a step; by default 4
    probe_size: Positive | None = None  # V, of probes at nodes; by default tuned from the wires alone
    held_out: bool = False  # judge by a fifth of the training images instead of the test images

    @property
    def dataset(self) -> Dataset:
        data = load_data(self.data)
        return held_out(data) if self.held_out else data

    def size(self, data: Dataset) -> TrainingSize:
        words = ("hidden", "batch", "learning_rate", "epochs", "probes")
        return training_size(data, **{word: getattr(self, word) for word in words})


TOY = Args(devices=(Ideal(), SoftBoundsRRAM()), chips=1, epochs=0.3, hidden=8)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched()
    method: AnyLearner = "learned feedback"
    chip: int = 0

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, {method_name(self.method)}, chip {self.chip}"

    @property
    def identity(self) -> int:
        return self.args.first_identity() + self.chip


def plan(args: Args) -> list[Trial]:
    return [Trial(args, d, m, c) for d in args.devices for m in args.learners for c in range(args.chips)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, trial.args.dataset
    size = args.size(data)
    layers, precision = network(data, size.hidden), args.product_precision
    chip = Chip(trial.device, layers, trial.identity, noise_seed=args.seed, precision=precision)
    port, ledger = chip.port(), Ledger(chip.spec)

    def generator(*path: str | int) -> Any:
        return stream(args.seed, "in_place", trial.chip, *path)  # every method sees the same batches

    examples = batches(data.train, size.batch, size.epochs, generator("data"))
    wires = metered(port, ledger)
    probe_size = _probe_size(trial, wires, data, size, generator) if trial.method in PROBED_NODES else None
    exact = trial.method == "exact gradient"
    rate = _best_rate(replace(trial, chip=0)) if exact else 1.0
    learner = _learner(trial, chip, data, size, rate, probe_size)
    learning = Timed(fit(learner, wires, examples, generator("probes")))
    about: Row = {"device": reference(trial.device), "method": method_name(trial.method)}
    about["chip"] = trial.identity
    total = count_steps(data.train, size.batch, size.epochs)
    for step in log_spaced(learning, total):
        score = float(evaluate(port, data.test))
        yield {
            "what": "curve",
            **about,
            "step": step,
            "reads": max(ledger.reads),
            "accuracy": round(score, 6),
            "done": round(step / total, 4),
        }
    yield {
        "what": "end",
        **about,
        "accuracy": round(float(evaluate(port, data.test)), 6),
        "train_accuracy": round(float(evaluate(port, data.train)), 6),
        "probe_size": probe_size,
        "learning_rate": rate * size.learning_rate,
        "access": "x-ray" if exact else stated_access(learner, chip.spec),
        "reads": max(ledger.reads),
        "pulses_per_cell": float(ledger.pulses_per_cell),
        "joules": float(ledger.joules),
        "seconds": ledger.seconds,
        "cpu_seconds": learning.cpu_seconds,
        "wall_seconds": learning.wall_seconds,
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
    trial: Trial, chip: Chip, data: Dataset, size: TrainingSize, rate: float, probe_size: float | None
) -> Learner:
    update = decaying_adam(data, size.batch, size.epochs, rate * size.learning_rate)
    steps = count_steps(data.train, size.batch, size.epochs)
    return make_learner(trial.method, Setup(chip, update, size.probes, probe_size, steps=steps))


@lru_cache
def _best_rate(trial: Trial) -> float:
    """The exact gradient's best rate, in units of that of all others, by chips that are not among them."""
    args, data = trial.args, trial.args.dataset
    size = args.size(data)
    steps = count_steps(data.train, size.batch, size.epochs)
    update = decaying_adam(data, size.batch, size.epochs, size.learning_rate)
    layers, other = network(data, size.hidden), args.first_identity() + args.chips
    return best_exact_rate(
        trial.device, layers, data, update, batch=size.batch, steps=steps, identity=other, seed=args.seed
    )


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for device in dict.fromkeys(r["device"] for r in rows):
        ends = [r for r in rows if r["what"] == "end" and r["device"] == device]
        exact = {r["chip"]: r["accuracy"] for r in ends if r["method"] == "exact gradient"}
        for method in dict.fromkeys(r["method"] for r in ends):
            of_method = [r for r in ends if r["method"] == method]
            behind = [100 * (exact[r["chip"]] - r["accuracy"]) for r in of_method if r["chip"] in exact]
            lines.append(
                {
                    "device": device.rpartition(":")[2],
                    "method": method,
                    "accuracy %": mean_with_interval([100 * r["accuracy"] for r in of_method]),
                    "behind exact": mean_with_interval(behind),
                    "chips": len(of_method),
                    "reads": short_number(mean_of(of_method, "reads")),
                    "pulses/cell": short_number(mean_of(of_method, "pulses_per_cell")),
                    "access": of_method[0]["access"],
                    "seconds": short_number(mean_of(of_method, "wall_seconds")),
                }
            )
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    devices = list(dict.fromkeys(r["device"] for r in rows))
    figure, axes = panels(len(devices), sharey=True)
    look = looks(r["method"] for r in rows)
    for axis, device in zip(axes, devices, strict=False):
        curves = [r for r in rows if r["what"] == "curve" and r["device"] == device]
        for method in dict.fromkeys(r["method"] for r in curves):
            of_method = [r for r in curves if r["method"] == method]
            steps = sorted({r["step"] for r in of_method})
            points = [[r for r in of_method if r["step"] == step] for step in steps]
            errors = {fmean(r["reads"] for r in p): [100 * (1 - r["accuracy"]) for r in p] for p in points}
            course(axis, errors, label=method, **look[method])
        axis.set(title=short_reference(device), xscale="log", yscale="log")
    for axis in axes:
        axis.set(xlabel="reads of each chip", ylabel="test error, %")
    legend(figure)
    chips = len({r["chip"] for r in rows})
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}")
    return {"in_place": figure}
