"""Training in place spends most joules beside the chip, and about as many as backpropagation would.

A chip learns by the published learner (learned feedback, 4 probes, Adam) through metered wires for a few
steps, whose reads and pulses are scaled to the whole training, since every step is put to the same use. The
digital side is counted by formula: outer products, the feedback's sums, Adam and its memory. Beside it stands
backpropagation with Adam on a digital network of the same size, at the same prices of operations.

Prices are swept from low to high all together: cells 1, 50 and 100 fJ a vector, inputs .2, 2 and 20 pJ,
converters of 8 bits at 10, 100 and 1000 fJ a step, pulses .01, 1 and 10 pJ; digital operations of 8 bits,
floats at 7 nm, floats at 45 nm. Sources and guesses stand in `analog.costs` and `learners.energy`. Injecting
probes, evaluation, and moving data from outside are not charged.

Ours for 784-256-10 on MNIST, 15 epochs: .064, .49 and 1.8 J at low, middle and high prices, of which 92, 82
and 72 % digital; backpropagation .10, .69 and 2.1 J. One vector read: 1.1, 19 and 110 nJ on the chip; 50, 360
and 1000 nJ on the digital network, its weights read once a batch of 256.

Published beside ours: none for training of this kind; of reading alone, 10.5 TOPS/W measured on HERMES (its
link is in `analog.costs`), 12.7 by the middle prices for an array of that size.

Open questions: what the digital side costs with few bits, and with optimizers that remember nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from matplotlib.figure import Figure

from analog import Chip, Costs, Ledger, Mismatched, metered, stream
from learners import CrossEntropy, fit
from learners.data import batches, count_steps, load_data
from learners.energy import (
    CHEAP,
    DEAR,
    DigitalCosts,
    backpropagation,
    inference,
    node_learning,
    training_energy,
)
from learners.recipes import PROBES, learned_feedback

from ..kit.recipes.training_size import network, training_size
from ..kit.report.tables import percent, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row

PARTS = ("array", "converters", "writes", "digital")


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "mnist"  # digits, mnist, fashion-mnist, or a folder of IDX files
    device: AnyDevice = Mismatched()  # what learns; its own prices are the middle ones
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # by default 45, or 15 on large data
    steps: Count = 20  # that are measured


TOY = Args(data="digits", hidden=8, epochs=0.3, steps=2)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()

    @property
    def name(self) -> str:
        return reference(self.args.device)


def plan(args: Args) -> list[Trial]:
    return [Trial(args)]


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
    chip = Chip(args.device, network(data, size.hidden), args.first_identity(), noise_seed=args.seed)
    ledger, total = Ledger(chip.spec), count_steps(data.train, size.batch, size.epochs)
    learner = learned_feedback(CrossEntropy(), learning_rate=size.learning_rate, steps=total)
    examples = batches(data.train, size.batch, size.epochs, stream(args.seed, "energy", "data"))
    learning = fit(learner, metered(chip.port(), ledger), examples, stream(args.seed, "energy", "probes"))
    measured = sum(1 for _ in islice(learning, args.steps))
    beside = node_learning(chip.spec, size.batch, PROBES, feedback=True)
    about: Row = {"sizes": chip.spec.sizes, "steps": total, "reads": max(ledger.reads) * total / measured}
    levels = prices(chip.spec.costs)
    for number, (level, (costs, digital)) in enumerate(levels.items(), 1):
        energy = training_energy(ledger, beside.times(measured), costs=costs, digital=digital)
        parts = {part: float(joules) * total / measured for part, joules in energy._asdict().items()}
        backward = digital.joules(backpropagation(chip.spec, size.batch)) * total
        yield {**about, "what": "training", "prices": level, **parts, "backpropagation": backward}
        reading = [costs.vector_energy(layer) for layer in chip.spec.layers]
        one = {part: sum(getattr(e, part) for e in reading) for part in PARTS}
        forward = digital.joules(inference(chip.spec, size.batch)) / size.batch
        yield {
            **about,
            "what": "one vector",
            "prices": level,
            **one,
            "backpropagation": forward,
            "done": number / len(levels),
        }


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for row in rows:
        total = sum(row[part] for part in PARTS)
        lines.append(
            {
                "of": f"{row['what']}, {row['sizes']}",
                "assumed prices": row["prices"],
                "J": short_number(total),
                **{f"{part} %": percent(row[part] / total) for part in PARTS},
                "digital network J": short_number(row["backpropagation"]),
            }
        )
    return lines


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    figure = Figure(figsize=(6, 4), layout="constrained")
    axis = figure.subplots()
    training = [r for r in rows if r["what"] == "training"]
    for offset, part in enumerate((*PARTS, "backpropagation")):
        places = [place + 0.16 * (offset - 2) for place in range(len(training))]
        axis.bar(places, [r[part] for r in training], width=0.15, label=part)
    axis.set_xticks(range(len(training)), [f"{r['prices']} prices" for r in training])
    axis.set(yscale="log", ylabel="J", title=f"energy of training {training[0]['sizes']}")
    axis.legend(fontsize="x-small")
    path = folder / "energy.png"
    figure.savefig(path, dpi=130)
    return [path]
