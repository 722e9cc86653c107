"""Probe size and number of probes, tuned from the wires alone, are as good as the best of a grid.

Every choice trains the same chips by node perturbation with the same budget of measurements, so more
probes a step mean fewer steps. `tune_probe_size` measures the chip once before training, by the laws of
`learners.laws`, and pays for what it measures from the same budget.

Beside ours: probe size and rate of zeroth-order methods are set by hand in every published run we know.

Open questions: whether it pays to tune again as the chip learns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Ledger, Mismatched, metered, stream
from learners import CrossEntropy, NodePerturbation, evaluate, tune_probe_size
from learners.data import batches, load_data

from ..kit.recipes.training_size import network, training_size
from ..kit.recipes.trainings import train_within_budget
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import fixed, low_high, percent, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched(read_noise=0.1)  # hardware with reading noise
    sizes: tuple[Positive, ...] = (0.03, 0.1, 0.3, 1.0, 3.0)  # V, probe sizes of the grid
    probes: tuple[Count, ...] = (1, 4, 16, 64)  # numbers of probes of the grid
    chips: Count = 3  # identities, each with seeds of its own
    budget: Positive | None = None  # measurements per training example; by default 400, or 85 on large data
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data


TOY = Args(sizes=(0.1,), probes=(1, 4), chips=2, budget=3, hidden=8)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    grid_point: tuple[float, int] | None = None  # probe size and number of probes; None is tuned
    chip: int = 0

    @property
    def name(self) -> str:
        size, probes = self.grid_point or ("tuned", "")
        return f"{size} x {probes}, chip {self.chip}" if probes else f"tuned, chip {self.chip}"

    @property
    def identity(self) -> int:
        return self.args.first_identity() + self.chip


def plan(args: Args) -> list[Trial]:
    grid = [(s, k) for s in args.sizes for k in args.probes]
    return [Trial(args, point, c) for c in range(args.chips) for point in (None, *grid)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden)
    budget = round((args.budget or (400 if size.hidden < 256 else 85)) * len(data.train.x))
    chip = Chip(args.device, network(data, size.hidden), trial.identity, noise_seed=args.seed)
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)

    def generator(what: str) -> Generator:
        return stream(args.seed, "tuning", trial.chip, what)

    estimator, why = NodePerturbation(0.1, 8), ""
    if trial.grid_point is None:
        (batch,) = batches(data.train, size.batch, 1e-9, generator("first"))
        estimator, tuning = tune_probe_size(estimator, port, batch, CrossEntropy(), generator("tune"), last=0)
        why = str(tuning)
    else:
        estimator = NodePerturbation(*trial.grid_point)
    tuning_reads = max(ledger.reads)
    steps = train_within_budget(
        budget - tuning_reads, port, estimator, data, size, generator("data"), generator("probes")
    )
    yield {
        "chosen_by": "tuning" if trial.grid_point is None else "grid",
        "size": estimator.size,
        "probes": estimator.probes,
        "chip": trial.identity,
        "steps": steps,
        "accuracy": round(float(evaluate(chip.port(), data.test)), 6),
        "tuning_share": tuning_reads / budget,
        "reads": max(ledger.reads),
        "why": why,
        "done": 1.0,
    }


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for chosen_by, size, probes in dict.fromkeys(
        (r["chosen_by"], r["size"], r["probes"]) if r["chosen_by"] == "grid" else ("tuning", None, None)
        for r in rows
    ):
        of_line = [
            r
            for r in rows
            if r["chosen_by"] == chosen_by
            and (chosen_by == "tuning" or (r["size"], r["probes"]) == (size, probes))
        ]
        scores = [100 * r["accuracy"] for r in of_line]
        lines.append(
            {
                "chosen by": chosen_by,
                "size": _span([r["size"] for r in of_line]),
                "probes": _span([r["probes"] for r in of_line]),
                "accuracy %": fixed(fmean(scores)),
                "from to %": low_high(scores),
                "tuning, % of budget": percent(max(r["tuning_share"] for r in of_line)),
            }
        )
    return sorted(lines, key=lambda line: -float(line["accuracy %"]))


def _span(values: Sequence[float]) -> str:
    low, high = short_number(min(values), 3), short_number(max(values), 3)
    return low if min(values) == max(values) else f"{low} to {high}"


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(width=4.2, height=3.4)
    grid = [r for r in rows if r["chosen_by"] == "grid"]
    for probes, look in looks(sorted({r["probes"] for r in grid})).items():
        of_probes = [r for r in grid if r["probes"] == probes]
        sizes = sorted({r["size"] for r in of_probes})
        errors = {s: [100 - 100 * r["accuracy"] for r in of_probes if r["size"] == s] for s in sizes}
        course(axis, errors, label=f"{probes} probes", **look)
    tuned = [r for r in rows if r["chosen_by"] == "tuning"]
    errors_tuned = [100 - 100 * r["accuracy"] for r in tuned]
    stars: dict[str, Any] = {"ls": "", "marker": "*", "color": "black", "ms": 10}
    axis.plot([r["size"] for r in tuned], errors_tuned, label="tuned, each chip", **stars)
    axis.set(xscale="log", yscale="log", xlabel="probe size, V", ylabel="test error, %")
    legend(figure)
    note(figure, f"lines: mean over chips; bands: {INTERVAL}")
    return {"tuning": figure}
