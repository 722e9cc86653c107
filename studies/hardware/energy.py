"""Training in place spends most joules beside the chip; which learners undercut digital backpropagation.

A chip learns by every method through metered wires for a few steps, whose reads, pulses and digital
operations are scaled to the whole training. The digital side (outer products, feedback, losses, Adam) is
counted as torch carries it out, for every method alike (`learners.operations`): words of memory as if no
result stayed in a register, which fused machines undercut; hence `memory %` apart. The digital network of
the same size, trained by backpropagation with Adam, is counted in the same way at the same prices.

Prices are swept from low to high all together: cells 1, 50 and 100 fJ a vector, inputs .2, 2 and 20 pJ,
converters of 8 bits at 10, 100 and 1000 fJ a step, pulses .01, 1 and 10 pJ; digital operations of 8 bits,
floats at 7 nm, floats at 45 nm. Sources and guesses stand in `analog.costs` and `learners.energy`. Injecting
probes, drawing them, evaluation, and moving data from outside are not charged.

Published beside ours: none for training of this kind; of reading alone, 10.5 TOPS/W measured on HERMES (its
link is in `analog.costs`), 12.7 by the middle prices for an array of that size.

Open questions: what the digital side costs with few bits, and with optimizers that remember nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Generator
from torch.nn import functional

from analog import Chip, Costs, Ledger, Mismatched, metered, stream
from learners import Batch, fit
from learners.data import Dataset, batches, count_steps, load_data
from learners.energy import CHEAP, DEAR, DigitalCosts, training_energy
from learners.learner import Learner
from learners.operations import OperationCounter, Operations

from ..kit.recipes.methods import AnyLearner, Setup, make_learner, method_name
from ..kit.recipes.published_learner import decaying_adam
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.report.figures import PALETTE, legend, note, panels
from ..kit.report.tables import percent, round_count, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row

PARTS = ("array", "converters", "writes", "arithmetic", "memory")
DIGITAL = "digital backpropagation"  # what stands beside the methods
IN_PLACE: tuple[AnyLearner, ...] = (
    "node perturbation",
    "learned feedback",
    "weight perturbation",
    "measured feedback",
)


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "mnist"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # what learns; its own prices are the middle ones
    learners: tuple[AnyLearner, ...] = IN_PLACE  # what trains the chip
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # by default 45, or 15 on large data
    steps: Count = 20  # that are measured


TOY = Args(data="digits", hidden=8, epochs=0.3, steps=2)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: AnyLearner | None = None  # none: a digital network

    @property
    def name(self) -> str:
        return f"{reference(self.args.device)}, {self.label}"

    @property
    def label(self) -> str:
        return DIGITAL if self.method is None else method_name(self.method)


def plan(args: Args) -> list[Trial]:
    return [Trial(args, method) for method in (*args.learners, None)]


def prices(middle: Costs) -> dict[str, tuple[Costs, DigitalCosts]]:
    """Low, middle and high prices of a chip and of what computes beside it."""
    low = replace(middle, array_joules=1e-15, adc_joules_per_step=1e-14, dac_joules=2e-13, pulse_joules=1e-14)
    high = replace(
        middle, array_joules=1e-13, adc_joules_per_step=1e-12, dac_joules=2e-11, pulse_joules=1e-11
    )
    return {"low": (low, CHEAP), "middle": (middle, DigitalCosts()), "high": (high, DEAR)}


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden, epochs=args.epochs)
    layers, total = network(data, size.hidden), count_steps(data.train, size.batch, size.epochs)
    examples = islice(
        batches(data.train, size.batch, size.epochs, stream(args.seed, "energy", "data")), args.steps
    )
    chip = Chip(args.device, layers, args.first_identity(), noise_seed=args.seed)
    if trial.method is None:
        ledger = Ledger(chip.spec)  # of a chip that is not used
        counted, steps = _backpropagation(data, size, examples, args.seed)
    else:
        update = decaying_adam(data, size.batch, size.epochs, size.learning_rate)
        learner = make_learner(trial.method, Setup(chip, update, steps=total))
        ledger, counted, steps = _in_place(chip, learner, examples, stream(args.seed, "energy", "probes"))
    whole = total / steps
    about: Row = {"method": trial.label, "sizes": chip.spec.sizes, "steps": total}
    about |= {"reads": max(ledger.reads) * whole, **counted.times(1 / steps)._asdict()}
    levels = prices(chip.spec.costs)
    for number, (level, (costs, digital)) in enumerate(levels.items(), 1):
        chips = training_energy(ledger, Operations(), costs=costs, digital=digital)
        memory = digital.joules(Operations(words=counted.words))
        parts = {**chips._asdict(), "arithmetic": digital.joules(counted) - memory, "memory": memory}
        joules = {part: float(parts[part]) * whole for part in PARTS}
        yield {**about, "prices": level, **joules, "done": number / len(levels)}


def _in_place(
    chip: Chip, learner: Learner, examples: Iterator[Batch], generator: Generator
) -> tuple[Ledger, Operations, int]:
    """What a few steps in place put the chip and the digital side to, and how many these were."""
    ledger, counter = Ledger(chip.spec), OperationCounter()
    with counter.watch():
        learning = fit(learner, metered(counter.behind(chip.port()), ledger), examples, generator)
        steps = sum(1 for _ in learning)
    return ledger, counter.operations, steps


def _backpropagation(
    data: Dataset, size: TrainingSize, examples: Iterator[Batch], seed: int
) -> tuple[Operations, int]:
    """What a few steps of backpropagation on a digital network take, and how many these were."""
    chance, fan_ins = stream(seed, "energy", "network"), (data.features, size.hidden)
    shapes = zip((size.hidden, data.classes), fan_ins, strict=True)
    weights = [torch.randn(shape, generator=chance).div_(shape[1] ** 0.5) for shape in shapes]
    biases = [torch.zeros(len(w)) for w in weights]
    parameters = [p.requires_grad_() for p in (*weights, *biases)]
    adam, counter, steps = torch.optim.Adam(parameters, foreach=False), OperationCounter(), 0
    with counter.watch():
        for batch in examples:
            steps += 1
            hidden = functional.linear(batch.x, weights[0], biases[0]).relu()
            outputs = functional.linear(hidden, weights[1], biases[1])
            adam.zero_grad()
            functional.cross_entropy(outputs, batch.target).backward()
            adam.step()
    return counter.operations, steps


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for row in rows:
        total = sum(row[part] for part in PARTS)
        lines.append(
            {
                "training": f"{row['method']}, {row['sizes']}",
                "assumed prices": row["prices"],
                "reads": round_count(row["reads"]),
                "J": short_number(total),
                "without memory J": short_number(total - row["memory"]),
                **{f"{part} %": percent(row[part] / total) for part in PARTS},
            }
        )
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    levels = prices(Costs())
    figure, axes = panels(len(levels), width=2.6, height=3.2, sharey=True)
    hatches = ("", "//", "..", "xx", "--")
    for axis, level in zip(axes, levels, strict=True):
        bars = [r for r in rows if r["prices"] == level]
        bottom = [0.0] * len(bars)
        for number, part in enumerate(PARTS):
            heights = [r[part] for r in bars]
            look: dict[str, Any] = {"color": PALETTE[number], "hatch": hatches[number], "edgecolor": "white"}
            axis.bar(range(len(bars)), heights, bottom=bottom, label=part, **look)
            bottom = [low + high for low, high in zip(bottom, heights, strict=True)]
        axis.set_xticks(range(len(bars)), [r["method"] for r in bars], rotation=90)
        axis.set(title=f"{level} prices", ylabel="energy of a training, J")
    legend(figure)
    note(figure, f"network {rows[0]['sizes'] if rows else ''}; prices are assumed, see analog/costs.py")
    return {"energy": figure}
