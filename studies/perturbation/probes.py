"""At an equal budget of measurements, which probe distribution and which difference scheme wins?

Every distribution is tried with one-sided differences and every scheme with random signs, with and without
reading noise. Probe size and number of probes are tuned for each from the wires alone, at the expense of the
budget, so that nobody is favoured by settings that suit somebody else.

Beside ours: by the laws of `learners.laws` signs have the least variance of independent laws; orthogonal sets
win (D - K)/(D - 1) of it, which is little while probes are far fewer than nodes; pairs cost two readings.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Ledger, Mismatched, metered, stream
from learners import CrossEntropy, NodePerturbation, evaluate, tune_probe_size
from learners.data import batches, load_data

from ..kit.metrics.mean_interval import mean_interval
from ..kit.recipes.training_size import network, training_size
from ..kit.recipes.trainings import train_within_budget
from ..kit.report.figures import INTERVAL, PALETTE, chip_dots, note, panels
from ..kit.report.tables import fixed, interval_text, mean_of, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import MAY_BE_EMPTY, Count, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row
from .laws import DISTRIBUTIONS, SCHEMES


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    # without and with noise
    devices: tuple[AnyDevice, ...] = (Mismatched(read_noise=0.0), Mismatched(read_noise=0.1))
    # each with one-sided differences
    distributions: Annotated[tuple[str, ...], MAY_BE_EMPTY] = tuple(DISTRIBUTIONS)
    # each with random signs
    schemes: Annotated[tuple[str, ...], MAY_BE_EMPTY] = tuple(s for s in SCHEMES if s != "one-sided")
    chips: Count = 5  # identities, each with seeds of its own
    budget: Positive | None = None  # measurements per training example; by default 200, or 20 on large data
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data


TOY = Args(distributions=("hadamard",), schemes=("antithetic",), chips=2, budget=3, hidden=8)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched(read_noise=0.0)
    distribution: str = "rademacher"
    scheme: str = "one-sided"
    chip: int = 0

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, {self.distribution}, {self.scheme}, chip {self.chip}"

    @property
    def identity(self) -> int:
        return self.args.first_identity() + self.chip


def plan(args: Args) -> list[Trial]:
    unknown = [
        *(w for w in args.distributions if w not in DISTRIBUTIONS),
        *(w for w in args.schemes if w not in SCHEMES),
    ]
    if unknown:
        known = ", ".join((*DISTRIBUTIONS, *SCHEMES))
        raise ValueError(f"no probe distribution or scheme {unknown[0]!r}; known are {known}")
    pairs = [(name, "one-sided") for name in args.distributions] + [("rademacher", s) for s in args.schemes]
    return [Trial(args, d, name, s, c) for d in args.devices for name, s in pairs for c in range(args.chips)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden)
    budget = round((args.budget or (200 if size.hidden < 256 else 20)) * len(data.train.x))
    chip = Chip(trial.device, network(data, size.hidden), trial.identity, noise_seed=args.seed)
    ledger = Ledger(chip.spec)
    port = metered(chip.port(), ledger)

    def generator(what: str) -> Generator:  # every distribution and scheme meets the same chips and examples
        return stream(args.seed, "probes", trial.chip, what)

    distribution, scheme = DISTRIBUTIONS[trial.distribution], SCHEMES[trial.scheme]
    (batch,) = batches(data.train, size.batch, 1e-9, generator("first"))
    start = NodePerturbation(0.1, 8, distribution, scheme)
    estimator, tuning = tune_probe_size(
        start, port, batch, CrossEntropy(), generator("tune"), last=0, max_probes=size.hidden
    )
    tuning_reads = max(ledger.reads)
    steps = train_within_budget(
        budget - tuning_reads, port, estimator, data, size, generator("data"), generator("probes")
    )
    yield {
        "device": reference(trial.device),
        "distribution": trial.distribution,
        "scheme": trial.scheme,
        "chip": trial.identity,
        "size": estimator.size,
        "probes": estimator.probes,
        "steps": steps,
        "tuning_share": tuning_reads / budget,
        "noise": tuning.noise,
        "accuracy": round(float(evaluate(chip.port(), data.test)), 6),
        "done": 1.0,
    }


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for device, distribution, scheme in dict.fromkeys(
        (r["device"], r["distribution"], r["scheme"]) for r in rows
    ):
        of_line = [
            r for r in rows if (r["device"], r["distribution"], r["scheme"]) == (device, distribution, scheme)
        ]
        found = mean_interval([100 * r["accuracy"] for r in of_line])
        lines.append(
            {
                "device": device.rpartition(":")[2],
                "distribution": distribution,
                "scheme": scheme,
                "accuracy %": fixed(found.mean),
                "95 % interval": interval_text(found),
                "size": short_number(mean_of(of_line, "size"), 3),
                "probes": short_number(mean_of(of_line, "probes"), 3),
                "steps": fixed(mean_of(of_line, "steps"), 0),
            }
        )
    return sorted(lines, key=lambda line: (line["device"], -float(line["accuracy %"])))


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    devices = list(dict.fromkeys(r["device"] for r in rows))
    names = list(dict.fromkeys((r["distribution"], r["scheme"]) for r in rows))
    figure, axes = panels(len(devices), width=4.2, height=1 + 0.28 * len(names), sharey=True)
    for axis, device in zip(axes, devices, strict=False):
        for place, name in enumerate(names):
            of_name = [r for r in rows if (r["distribution"], r["scheme"]) == name]
            scores = [100 * r["accuracy"] for r in of_name if r["device"] == device]
            chip_dots(axis, place, scores, sideways=True, color=PALETTE[0], marker="o")
        axis.set(title=device.rpartition(":")[2])
    for axis in axes:
        axis.set(xlabel="test accuracy, %")
    axes[0].set_yticks(range(len(names)), [", ".join(name) for name in names])
    note(figure, f"each chip a dot; bars: {INTERVAL}")
    return {"probes": figure}
