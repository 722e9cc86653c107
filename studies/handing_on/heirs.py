"""A dying chip's knowledge survives by distillation into fresh chips, and not by copying its weights.

A teacher chip is trained in place from labels by node perturbation. Its true knobs are copied into fresh
chips (the digital way, by x-ray); other fresh chips learn what it answers, at a temperature, by node
perturbation of their own. Then the teacher dies.

Heirs may be shown only N images, without labels, and told labels instead of softened answers. Ours on digits
(--teachers 3 --heirs 4 --temperature 10, seed 0), labels / soft: 86.3 / 94.6 from 50 images, 90.1 / 95.9 from
100, 93.0 / 96.3 from 200, 96.4 / 96.6 from 1,000, where the teacher's labels already carry all that the
teacher (96.7) knows. On MNIST (--stimuli 1000 --teachers 1 --temperature 10 --epochs 5): 90.3 / 95.2 from
1,000 images, of a teacher's 98.0. The temperature was chosen on held-out training data.

No published student was trained by perturbation from a teacher. Beside ours: backprop on the digital
784-256-10 network gives 98.1 % on MNIST; Hinton, Vinyals and Dean (2015) keep most of a speech model's
accuracy with 3 % of its data by soft targets (57.0 % of frames, labels 44.5, all data 58.9).

Open questions: how the temperature matters to a noisy student.
"""

from collections.abc import Iterator
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from typing import NamedTuple

from matplotlib.figure import Figure
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Dead
from analog import Layer
from analog import Ledger
from analog import Mismatched
from analog import metered
from analog import stream
from analog import xray
from distill import distill
from distill import subsample
from learners import Batch
from learners import CrossEntropy
from learners import Learner
from learners import Loss
from learners import fit
from learners.data import Dataset
from learners.data import count_steps
from learners.data import draw_batches
from learners.data import load_data

from ..kit.recipes.answer_formats import WAYS
from ..kit.recipes.answer_formats import Way
from ..kit.recipes.standard import Scale
from ..kit.recipes.standard import accuracy
from ..kit.recipes.standard import answers
from ..kit.recipes.standard import by_nodes
from ..kit.recipes.standard import network
from ..kit.recipes.standard import repeated
from ..kit.recipes.standard import right
from ..kit.recipes.standard import sampled
from ..kit.recipes.standard import scale
from ..kit.recipes.standard import schedule
from ..kit.report.tables import mean_of
from ..kit.report.tables import percent
from ..kit.report.tables import short_number
from ..kit.run.references import AnyDevice
from ..kit.run.study import Row


@dataclass(frozen=True)
class Args:
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder of IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    teachers: int = 2  # teachers, each with heirs of its own
    heirs: int | None = None  # fresh chips to teach and to copy to; by default 16, or 4 on large data
    hidden: int | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: float | None = None  # of the teacher and of its heirs; by default 45, or 15 on large data
    answers: Way = "soft"  # what the teacher says to a stimulus
    temperature: float = 4.0  # of the teacher's answers
    stimuli: int | None = (
        None  # heirs see only so many images, without labels, as often as all; by default all
    )
    seed: int = 0  # of data order, probes and the chips' noise


TOY = Args(heirs=2, epochs=0.3, hidden=8, teachers=2)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"teacher {self.teacher}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, i) for i in range(args.teachers)]


class _Scene(NamedTuple):
    """What the three acts share."""

    trial: Trial
    data: Dataset
    size: Scale
    layers: tuple[Layer, ...]
    teacher: Chip[Any]
    fresh: range  # identities of the chips that copies and heirs are made on

    @property
    def total(self) -> int:
        return count_steps(self.data.train, self.size.batch, self.size.epochs)

    def generator(self, *path: str) -> Generator:
        return stream(self.trial.args.seed, "heirs", self.trial.name, *path)

    def examples(self, who: str, data: Batch) -> Iterator[Batch]:
        return draw_batches(data, self.size.batch, self.total, self.generator(who, "data"))

    @property
    def stimuli(self) -> Batch:
        """What the heirs see: no labels."""
        unlabelled, count = Batch(self.data.train.x), self.trial.args.stimuli
        return unlabelled if count is None else subsample(unlabelled, count, self.generator("stimuli"))

    def learner(self, loss: Loss) -> Learner[Any]:
        update = schedule(self.data, self.size.batch, self.size.epochs, self.size.rate)
        return by_nodes(self.size.probes, update)(loss)

    def chips(self, noise_seed: int) -> Chip[Any]:
        return Chip(
            self.trial.args.device, self.layers, self.fresh, noise_seed=self.trial.args.seed + noise_seed
        )


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = scale(data, heirs=args.heirs, hidden=args.hidden, epochs=args.epochs)
    layers = network(data, size.hidden)
    first = 1_000_000 * trial.teacher
    teacher = Chip(args.device, layers, first, noise_seed=args.seed)
    scene = _Scene(trial, data, size, layers, teacher, range(first + 1, first + 1 + size.heirs))
    yield from _learn(scene)
    named = answers(teacher.port(), data.test.x)
    again = right(answers(teacher.port(), data.test.x), named)
    yield {"what": "teacher, read again", "chip": first, "agreement": _one(again)}
    yield from _copy(scene, named)
    yield from _hand_over(scene, named)


def _learn(scene: _Scene) -> Iterator[Row]:
    """The teacher learns from labels, in place."""
    port, ledger, test = scene.teacher.port(), Ledger(scene.teacher.spec), scene.data.test
    learning = fit(
        scene.learner(CrossEntropy()),
        metered(port, ledger),
        scene.examples("teacher", scene.data.train),
        scene.generator("teacher", "probes"),
    )
    for step in sampled(learning, scene.total):
        yield _point("teacher", step, scene.total, accuracy(port, test), 0.0)
    score = right(answers(port, test.x), test.target)
    yield {"what": "teacher", "chip": scene.fresh[0] - 1, "accuracy": _one(score), **_spent(ledger)}


def _copy(scene: _Scene, named: Tensor) -> Iterator[Row]:
    """The digital way: the teacher's true knobs are programmed into fresh chips."""
    copies = scene.chips(noise_seed=1).port()
    copies.program(repeated(xray.knobs(scene.teacher), len(scene.fresh)))
    yield from _chips("copy", scene.fresh, answers(copies, scene.data.test.x), scene.data, named)


def _hand_over(scene: _Scene, named: Tensor) -> Iterator[Row]:
    """Fresh chips learn what the teacher answers; then it dies, and they are asked."""
    pupils, test, args = scene.chips(noise_seed=2), scene.data.test, scene.trial.args
    heirs, ledger = pupils.port(), Ledger(pupils.spec)
    yield from _chips("heir before", scene.fresh, answers(heirs, test.x), scene.data, named)
    teaching = distill(
        scene.teacher.port(),
        metered(heirs, ledger),
        scene.learner,
        scene.examples("heirs", scene.stimuli),
        answers=WAYS[args.answers](args.temperature),
        generator=scene.generator("heirs", "probes"),
        answer_generator=scene.generator("heirs", "answers"),
    )
    for step in sampled(teaching, scene.total):
        yield _point("heirs", step, scene.total, accuracy(heirs, test), 1 / (1 + len(scene.fresh)))
    port = scene.teacher.port()
    scene.teacher.die()
    try:
        port.measure(test.x[:1])
    except Dead:
        yield {"what": "teacher, dead", "chip": scene.fresh[0] - 1, "accuracy": None}
    yield from _chips("heir", scene.fresh, answers(heirs, test.x), scene.data, named, _spent(ledger))


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
        "reads": max(ledger.reads),
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

        made.append(
            {
                "chips": words,
                "n": len(chosen),
                "right %": "dead" if what == "teacher, dead" else percent(mean_of(chosen, "accuracy")),
                "agrees %": percent(mean_of(chosen, "agreement")),
                "reads": short_number(mean_of(chosen, "reads")),
                "pulses": short_number(mean_of(chosen, "pulses_per_cell")),
                "chip joules": short_number(mean_of(chosen, "joules")),
                "chip s": short_number(mean_of(chosen, "seconds")),
            }
        )
    return made


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
