"""A dying chip's knowledge survives by distillation into fresh chips, and not by copying its weights.

A teacher chip is trained in place from labels by node perturbation. Its true knobs are copied into fresh
chips (the digital way, by x-ray); other fresh chips learn what it answers, at a temperature, by node
perturbation of their own. Then the teacher dies.

No published student was trained by perturbation from a teacher. Beside ours: backprop on the digital
784-256-10 network gives 98.1 % on MNIST.

Open questions: how few stimuli suffice; how the temperature matters to a noisy student.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.figure import Figure
from torch import Tensor

from analog import Chip, Dead, Ledger, Mismatched, metered, stream, xray
from distill import distill
from learners import Batch, CrossEntropy, fit

from .data import Dataset, batches, load, steps
from .practice import (
    AnyDevice,
    accuracy,
    answers,
    by_nodes,
    network,
    repeated,
    right,
    sampled,
    scale,
    schedule,
)
from .study import Row


@dataclass(frozen=True)
class Args:
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder of IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    teachers: int = 1  # teachers, each with heirs of its own
    heirs: int | None = None  # fresh chips to teach and to copy to; by default 16, or 4 on large data
    hidden: int | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: float | None = None  # of the teacher and of its heirs; by default 90, or 15 on large data
    temperature: float = 4.0  # of the teacher's answers
    seed: int = 0  # of data order, probes and nature's dice


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"teacher {self.teacher}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, i) for i in range(args.teachers)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load(trial.args.data)
    size = scale(data, heirs=args.heirs, hidden=args.hidden, epochs=args.epochs)
    heirs, epochs, layers = size.heirs, size.epochs, network(data, size.hidden)
    first = (
        1_000_000 * trial.teacher
    )  # identities: the teacher, then copies and heirs on the same chips' twins
    fresh = range(first + 1, first + 1 + heirs)
    update = schedule(data, size.batch, epochs, size.rate)
    learner = by_nodes(size.probes, update)
    total = steps(data.train, size.batch, epochs)

    def rng(*path: str) -> Any:
        return stream(args.seed, "heirs", trial.name, *path)

    teacher = Chip(args.device, layers, first, dice=args.seed)
    port, ledger = teacher.port(), Ledger(teacher.spec)
    lessons = batches(data.train, size.batch, epochs, rng("teacher", "data"))
    learning = fit(learner(CrossEntropy()), metered(port, ledger), lessons, rng("teacher", "probes"))
    for step in sampled(learning, total):
        yield _point("teacher", step, total, accuracy(port, data.test), 0.0)
    named = answers(port, data.test.x)
    yield {
        "what": "teacher",
        "chip": first,
        "accuracy": _one(right(named, data.test.target)),
        **_spent(ledger),
    }
    again = right(answers(port, data.test.x), named)
    yield {"what": "teacher, read again", "chip": first, "agreement": _one(again)}

    copies = Chip(args.device, layers, fresh, dice=args.seed + 1).port()
    copies.program(repeated(xray.knobs(teacher), heirs))
    yield from _chips("copy", fresh, answers(copies, data.test.x), data, named)

    pupils = Chip(args.device, layers, fresh, dice=args.seed + 2)
    heir, ledger = pupils.port(), Ledger(pupils.spec)
    yield from _chips("heir before", fresh, answers(heir, data.test.x), data, named)
    stimuli = (Batch(b.x) for b in batches(data.train, size.batch, epochs, rng("heirs", "data")))
    teaching = distill(
        port,
        metered(heir, ledger),
        learner,
        stimuli,
        temperature=args.temperature,
        rng=rng("heirs", "probes"),
    )
    for step in sampled(teaching, total):
        yield _point("heirs", step, total, accuracy(heir, data.test), 1 / (1 + heirs))

    teacher.die()
    try:
        port.measure(data.test.x[:1])
    except Dead:
        yield {"what": "teacher, dead", "chip": first, "accuracy": None}
    yield from _chips("heir", fresh, answers(heir, data.test.x), data, named, _spent(ledger))


def _point(who: str, step: int, total: int, score: Tensor, begun: float) -> Row:
    share = step / total
    done = begun + (1 - begun) * share if begun else share * 0.2
    return {"what": "curve", "who": who, "step": step, "accuracy": _one(score.mean()), "done": round(done, 4)}


def _chips(
    what: str, who: Sequence[int], said: Tensor, data: Dataset, named: Tensor, spent: Row | None = None
) -> Iterator[Row]:
    scores, agreement = right(said, data.test.target), right(said, named)
    for i, chip in enumerate(who):
        row = {"what": what, "chip": chip, "accuracy": _one(scores[i]), "agreement": _one(agreement[i])}
        yield {**row, **{k: v[i] if isinstance(v, list) else v for k, v in (spent or {}).items()}}


def _one(value: Tensor) -> float:
    return round(float(value), 6)


def _spent(ledger: Ledger) -> Row:
    """What one chip of the fleet was put through."""
    return {
        "measurements": max(ledger.readings),
        "pulses_per_cell": ledger.pulses_per_cell.tolist(),
        "joules": ledger.joules.tolist(),
        "seconds": ledger.seconds,
    }


def table(rows: Sequence[Row]) -> list[Row]:
    made = []
    shown = {
        "teacher": "teacher",
        "teacher, read again": "read again",
        "copy": "copies",
        "heir before": "heirs, fresh",
        "heir": "heirs, taught",
        "teacher, dead": "teacher, dead",
    }
    for what, words in shown.items():
        chosen = [r for r in rows if r["what"] == what]
        if not chosen:
            continue

        def mean(key: str, chosen: list[Row] = chosen) -> float | None:
            values = [r[key] for r in chosen if r.get(key) is not None]
            return fmean(values) if values else None

        made.append(
            {
                "chips": words,
                "n": len(chosen),
                "right %": _percent(mean("accuracy")),
                "agrees %": _percent(mean("agreement")),
                "readings": _short(mean("measurements")),
                "pulses": _short(mean("pulses_per_cell")),
                "joules": _short(mean("joules")),
                "seconds": _short(mean("seconds")),
            }
        )
    return made


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f}"


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def figures(rows: Sequence[Row], folder: Path) -> list[Path]:
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {"teacher": "tab:blue", "heirs": "tab:green", "heir": "tab:green", "copy": "tab:red"}
    for who in ("teacher", "heirs"):
        for number, trial in enumerate(dict.fromkeys(r["trial"] for r in rows)):
            points = [r for r in rows if r["what"] == "curve" and r["who"] == who and r["trial"] == trial]
            label = (
                None if number else "teacher, from labels" if who == "teacher" else "heirs, from its answers"
            )
            errors = [100 * (1 - p["accuracy"]) for p in points]
            left.plot([p["step"] for p in points], errors, "o-", color=colours[who], label=label)
    left.set(xlabel="step", ylabel="test error %", xscale="log", yscale="log", title="learning in place")
    left.grid(which="both", alpha=0.3)
    left.legend()
    kinds = ("teacher", "copy", "heir before", "heir")
    for place, what in enumerate(kinds):
        scores = [100 * r["accuracy"] for r in rows if r["what"] == what]
        spread = [place + 0.3 * (i / max(1, len(scores) - 1) - 0.5) for i in range(len(scores))]
        right.plot(spread, scores, "o", alpha=0.6, color=colours.get(what, "tab:gray"))
    right.set_xticks(range(len(kinds)), ["teacher", "weight copies", "heirs, fresh", "heirs, taught"])
    right.set(ylabel="test accuracy %", title="what survives the teacher's death", ylim=(0, 100))
    path = folder / "heirs.png"
    figure.savefig(path, dpi=130)
    return [path]
