"""A language goes from chip to chip for ten generations: what each is taught is what the one before answers.

A founder learns in place to predict text. It teaches a fresh chip by all its chances for the contexts of
the text, which teaches the next, and so on; nobody is shown the symbol that follows again. Lineages are
independent: generation g of all of them is one fleet, taught by the fleet before it, which then dies.
`behind the founder` is the paired difference over lineages; the interval is that of Student's t, 95 %.

Published beside ours: none found.

Open questions: lineages that read only what their parents write, which lose their rare symbols first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Ledger, metered, stream
from distill import SoftLabels, lessons
from learners import Batch, fit

from ..kit.recipes.answer_formats import AnyAnswerFormat
from ..kit.recipes.methods import AnyLearner
from ..kit.report.figures import INTERVAL, course, legend, note, panels
from ..kit.report.tables import mean_with_interval, round_count
from ..kit.run.ranges import Count, CountOrZero
from ..kit.run.study import Row
from .text_chips import TextChips, TextTask, bits_a_character, costs, in_a_line, text_task
from .writing import by_softmax


@dataclass(frozen=True)
class Args(TextChips):
    data: str = "shakespeare"  # shakespeare, markov, a file of text, or package.module:string
    hidden: tuple[Count, ...] = (128,)  # hidden neurons, layer by layer
    learner: AnyLearner = "measured feedback"  # what teaches every generation
    answers: AnyAnswerFormat = SoftLabels(1.0)  # how every generation teaches the next
    lineages: Count = 3  # side by side
    generations: Count = 10  # after the founder
    sample: CountOrZero = 300  # symbols that the first lineage writes in every generation


TOY = Args(data="markov", context=3, hidden=(10,), steps=20, batch=64, lineages=2, generations=2, sample=10)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()

    @property
    def name(self) -> str:
        return f"{self.args.lineages} lineages"

    def generator(self, *path: str | int) -> Generator:
        return stream(self.args.seed, "language lineage", *path)


def plan(args: Args) -> list[Trial]:
    return [Trial(args)]


def run(trial: Trial) -> Iterator[Row]:
    task = text_task(trial.args.data, trial.args)
    parents: Chip | None = None
    for generation in range(trial.args.generations + 1):
        heirs = _chips(trial, task, generation)
        ledger = Ledger(heirs.spec)
        _raise(trial, task, parents, heirs, ledger, generation)
        if parents is not None:
            parents.die()
        yield from _rows(trial, task, heirs, ledger, generation)
        parents = heirs


def _chips(trial: Trial, task: TextTask, generation: int) -> Chip:
    """One fresh chip for every lineage."""
    args = trial.args
    first = args.first_identity(args.generations + 1) + 1_000_000 * generation
    return Chip(args.device, task.layers, range(first, first + args.lineages), noise_seed=args.seed)


def _raise(
    trial: Trial, task: TextTask, parents: Chip | None, heirs: Chip, ledger: Ledger, generation: int
) -> None:
    """Teach one generation: the founders by the text, all others by their parents' answers."""
    batches, answers = task.batches(trial.generator("data", generation)), trial.args.answers
    taught: Iterator[Batch] = batches
    if parents is not None:
        stimuli = (batch.unlabeled for batch in batches)
        drawn = trial.generator("answers", generation)
        taught = lessons(parents.port(), stimuli, answers, generator=drawn)
    loss = None if parents is None else answers.loss
    learner, probes = task.learner(trial.args.learner, heirs, loss), trial.generator("probes", generation)
    for _ in fit(learner, metered(heirs.port(), ledger), taught, probes):
        pass


def _rows(trial: Trial, task: TextTask, chips: Chip, ledger: Ledger, generation: int) -> Iterator[Row]:
    """What each lineage's present chip knows, and what the first writes."""
    args, port = trial.args, chips.port()
    texts = [""] * args.lineages
    if args.sample:
        texts = task.sample(port, by_softmax(trial.generator("writing", generation)), args.sample)
    for lineage, nats in enumerate(task.judge(port)):
        row: Row = {"what": "generation", "generation": generation, "lineage": lineage, "nats": nats}
        row |= costs(ledger) | ({"text": texts[0]} if lineage == 0 and args.sample else {})
        yield row | {"done": round((generation + (lineage + 1) / args.lineages) / (args.generations + 1), 4)}


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    founders = {r["lineage"]: r["nats"] for r in rows if r["generation"] == 0}
    for generation in dict.fromkeys(r["generation"] for r in rows):
        present = [r for r in rows if r["generation"] == generation]
        behind = [r["nats"] - founders[r["lineage"]] for r in present]
        line: Row = {"generation": generation, "lineages": len(present)}
        line |= {"nats a character": mean_with_interval([r["nats"] for r in present], 3)}
        line |= {"bits": mean_with_interval([bits_a_character(r["nats"]) for r in present], 3)}
        line |= {"behind the founder": mean_with_interval(behind, 3) if generation else ""}
        line |= {"reads": round_count(present[0]["reads"])}
        line["writes"] = in_a_line(next((r["text"] for r in present if "text" in r), ""))
        lines.append(line)
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(1, width=4.2, height=3.2)
    nats: dict[int, list[float]] = {}
    for r in rows:
        nats.setdefault(r["generation"], []).append(r["nats"])
    course(axis, nats, label="taught by the one before", color="#0072B2", marker="o")
    axis.set(xlabel="generation", ylabel="test loss, nats a character")
    legend(figure)
    note(figure, f"mean of {len({r['lineage'] for r in rows})} lineages; bands: {INTERVAL}")
    return {"language_lineage": figure}
