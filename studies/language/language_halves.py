"""Two chips that each read half of a text teach each other by answers, for fewer bits than twins take.

The text to learn from falls into as many parts as there are chips, one behind the other. In every round
each chip shows the others some contexts of its part with its answers, and learns from symbols of its own
and from what it heard in one batch (`distill.codistill`). Beside them, on the same parts: a chip that
learns alone, one that reads everything, and identical networks in exact arithmetic that average their
gradients at every step (one network with as many times the batch), 32 bits a knob there and back. Every
chip makes about as many reads as one that learns alone.

What is sent is counted at every chip's wires, both ways: answers, the number of the context, and the
context itself once to each who keeps it, 8 bits a symbol.

Published beside ours: none for chips. Anil et al. (2018, https://arxiv.org/abs/1804.03235) codistill
digital networks on shards; Hinton's talk has the argument and no numbers.

Open questions: more chips; parts that differ more than one half of Shakespeare from the other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Literal, get_args

import torch
from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Ideal, Ledger, metered, stream
from distill import Codistillation, QuantizedLogits, codistill
from distill.communication import CommunicationLog
from distill.formats import FLOAT_BITS
from distill.shards import shard_indices, take_from_shards
from learners import Batch, fit

from ..kit.recipes.answer_formats import AnyAnswerFormat
from ..kit.recipes.methods import AnyLearner
from ..kit.recipes.trainings import log_spaced
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import mean_of, mean_with_interval, round_count, short_number
from ..kit.run.ranges import Count, Share
from ..kit.run.study import Row
from .text_chips import TextChips, TextTask, costs, text_task

Method = Literal["everything", "alone", "teaching each other", "averaging gradients"]


@dataclass(frozen=True)
class Args(TextChips):
    data: str = "shakespeare"  # shakespeare, markov, a file of text, or package.module:string
    learner: AnyLearner = "measured feedback"  # what teaches the chips
    methods: tuple[Method, ...] = get_args(Method)  # who learns, and what they send to each other
    chips: Count = 2  # and parts of the text
    pairs: Count = 2  # communities, of other chips each
    answers: AnyAnswerFormat = QuantizedLogits(bits_each=4, temperature=1.0)  # how chips answer each other
    lessons: Share = 0.5  # of a batch, what others answered


TOY = Args(data="markov", context=3, hidden=(10,), steps=15, batch=64, pairs=1)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: Method = "teaching each other"
    number: int = 0

    @property
    def name(self) -> str:
        return f"{self.method}, {self.number}"

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "language halves", self.number, *path)


def plan(args: Args) -> list[Trial]:
    return [Trial(args, method, number) for method in args.methods for number in range(args.pairs)]


def run(trial: Trial) -> Iterator[Row]:
    task = text_task(trial.args.data, trial.args)
    parts = _parts(task, 1 if trial.method == "everything" else trial.args.chips)
    rows = (
        _digital(trial, task, parts) if trial.method == "averaging gradients" else _mortal(trial, task, parts)
    )
    for row in rows:
        yield {"what": "curve", "method": trial.method, "number": trial.number, **row}


def _parts(task: TextTask, count: int) -> Batch:
    """The examples of each part of the text, x (parts, examples, context)."""
    train, each = task.data.train, len(task.data.train.x) // count
    x, target = (
        torch.stack([of_all[i * each : (i + 1) * each] for i in range(count)])
        for of_all in (train.x, train.target)
    )
    return Batch(x, target)


def settings_of_round(args: Args, chips: int) -> Codistillation:
    """What fills a batch: own examples, and lessons of all others."""
    each = min(round(args.lessons * args.batch / max(1, chips - 1)), args.batch // chips)
    shared = max(1, each) if chips > 1 and args.lessons else 0
    own = max(shared, args.batch - (chips - 1) * shared)
    return Codistillation(own, shared, args.answers)


def _mortal(trial: Trial, task: TextTask, parts: Batch) -> Iterator[Row]:
    """Chips that learn in place, with what they hear from each other."""
    args, chips = trial.args, len(parts.x)
    alone = Codistillation(min(args.batch, parts.x.shape[1]), 0, args.answers)
    settings = settings_of_round(args, chips) if trial.method == "teaching each other" else alone
    first = args.first_identity(args.pairs) + 1_000_000 * trial.number
    chip = Chip(args.device, task.layers, range(first, first + chips), noise_seed=args.seed)
    ledger, log, port = Ledger(chip.spec), CommunicationLog(), chip.port()
    training = codistill(
        metered(port, ledger),
        partial(task.learner, args.learner, chip),
        parts,
        settings,
        args.steps,
        order=trial.generator("order"),
        generator=trial.generator("probes"),
        answer_generator=trial.generator("answers"),
        log=log,
    )
    for step in log_spaced(training, args.steps):
        bits = fmean(log.bits) if log.bits else 0.0
        nats = task.judge(port, roughly=step < args.steps)
        yield {"step": step, "nats": nats, "bits": bits, **costs(ledger), "done": round(step / args.steps, 4)}


def _digital(trial: Trial, task: TextTask, parts: Batch) -> Iterator[Row]:
    """Identical networks that average exact gradients: one network, with all their batches at once."""
    args, chips = trial.args, len(parts.x)
    chip = Chip(Ideal(), task.layers, args.first_identity(args.pairs) + 1_000_000 * trial.number)
    size = min(args.batch, parts.x.shape[1])
    order = shard_indices(parts, size, args.steps, trial.generator("order"))
    taken = (take_from_shards(parts, indices) for indices in order)
    batches = (Batch(b.x.flatten(0, 1), b.target.flatten()) for b in taken)
    learner, port = task.learner("exact gradient", chip), chip.port()
    sent = 2 * FLOAT_BITS * sum(la.tiles * la.rows * la.cols for la in task.layers) * (chips > 1)
    for step in log_spaced(fit(learner, port, batches, trial.generator("probes")), args.steps):
        nats = task.judge(port, roughly=step < args.steps)
        yield {"step": step, "nats": nats, "bits": sent * step, "done": round(step / args.steps, 4)}


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for method in dict.fromkeys(r["method"] for r in rows):
        ends = {r["number"]: r for r in rows if r["method"] == method}  # the last of each trial
        nats = [fmean(r["nats"]) for r in ends.values()]
        line: Row = {"method": method, "communities": len(ends)}
        line |= {"nats a character": mean_with_interval(nats, 3)}
        line |= {"worst": f"{max(max(r['nats']) for r in ends.values()):.3f}"}
        sent = mean_of([*ends.values()], "bits")
        line |= {"Mbit of each": short_number(sent / 1e6, 3) if sent else "none"}
        line |= {"reads of each": round_count(mean_of([*ends.values()], "reads"))}
        line |= {"chip J, by guessed Costs": short_number(mean_of([*ends.values()], "joules"))}
        lines.append(line)
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (left, right) = panels(2, width=3.6, height=3.2)
    for method, look in looks(r["method"] for r in rows).items():
        of_method = [r for r in rows if r["method"] == method]
        for axis, key, scale in ((left, "step", 1), (right, "bits", 1e6)):
            nats: dict[float, list[float]] = {}
            for r in of_method:
                if r[key]:
                    nats.setdefault(r[key] / scale, []).append(fmean(r["nats"]))
            course(axis, nats, label=method, **look)
    left.set(xlabel="steps", ylabel="test loss, nats a character", xscale="log")
    right.set(xlabel="through the wires of each, Mbit", ylabel="test loss, nats a character", xscale="log")
    legend(figure)
    note(figure, f"mean of {len({r['number'] for r in rows})} communities; bands: {INTERVAL}")
    return {"language_halves": figure}
