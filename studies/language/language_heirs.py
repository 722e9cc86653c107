"""What a chip knows of a language survives it in fresh chips that hear its chances, or only its text.

A teacher learns in place to predict text (`language`). Fresh chips then learn from what it answers to the
contexts of the text, without the symbols that follow: all its chances at a temperature, the likeliest few,
or one symbol that is drawn from them. Heirs of `its own text` never see the true text: they read what the
teacher wrote by itself, symbol by symbol. `labels` are fresh chips that learn from the true text, as the
teacher did. Where the teacher dies on the way, its heirs study again what they heard. `--dropout` hides
symbols of contexts from those who learn by a text, the teacher among them; answers are heard to whole
contexts.

Beside them stand copies of weights: blind ones, and written and verified ones with a gain and an offset
trimmed digitally behind every tap (`copies`), which take chips of the same layers, the teacher's true
knobs, and probes at single layers.

Hinton's argument, that a symbol among 1,024 is 10 bits and a distribution 1,023 numbers, is `--vocabulary
1024`: how many bits each form of answer takes to the same loss. Bits are those of `distill.formats`; the
contexts are at hand on both sides.

Published beside ours: none for chips. The nearest is Hinton, Vinyals and Dean (2015,
https://arxiv.org/abs/1503.02531), whose digital student of 3 % of a speech corpus keeps 57.0 % of frames by
soft targets and 44.5 by labels (all data: 58.9).

Open questions: heirs of another technology; a temperature that falls.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Ledger, Port, metered, stream, xray
from distill import SampledLabels, SoftLabels, Traffic, lessons
from distill.formats import FLOAT_BITS, TopLabels, index_bits
from learners import Batch, Loss, fit

from ..kit.metrics.mean_interval import cluster_means
from ..kit.recipes.answer_formats import AnyAnswerFormat, name_of
from ..kit.recipes.layer_meter import LayerMeter, Lines
from ..kit.recipes.methods import AnyLearner
from ..kit.recipes.trainings import log_spaced
from ..kit.recipes.weight_copies import fit_trims, repeat_knobs, trimmed
from ..kit.recipes.write_and_verify import write_and_verify
from ..kit.report.figures import GRAY, INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import mean_of, mean_with_interval, round_count, short_number
from ..kit.run.ranges import Count, CountOrZero, Positive, Range
from ..kit.run.references import reference
from ..kit.run.study import Row
from .text_chips import TextChips, TextTask, costs, in_a_line, text_task
from .writing import by_softmax, write

NEAR = 0.03  # nats behind the teacher, to which the bits of every way are counted
REMEMBERED = 1000  # batches of lessons that heirs keep, to study after their teacher's death
LABELS, OWN_TEXT, WRITTEN = "labels", "its own text", "written and verified"


@dataclass(frozen=True)
class Args(TextChips):
    data: str = "shakespeare"  # shakespeare, markov, a file of text, or package.module:string
    learner: AnyLearner = "measured feedback"  # what teaches the teacher and its heirs
    teachers: Count = 2  # each with heirs of its own
    heirs: Count = 2  # fresh chips for every way, side by side
    # how the teacher answers a context, each with heirs of its own
    answers: tuple[AnyAnswerFormat, ...] = (
        SoftLabels(1.0),
        SoftLabels(2.0),
        TopLabels(16),
        TopLabels(4),
        SampledLabels(1),
    )
    labels: bool = True  # fresh chips that learn from the text, as the teacher did
    copies: bool = True  # blind copies of weights, and written and verified ones
    own_text: CountOrZero = 1_000_000  # symbols that the teacher writes for heirs who read nothing else
    # the share of its last lessons, in the first form, after which it dies; heirs then study what they heard
    death: Annotated[float, Range(0, 1, above=True)] | None = 0.5
    rounds: Count = 8  # of writing and verifying
    scale: Positive = 0.5  # of the weights that are written and verified
    sample: CountOrZero = 300  # symbols that the teacher and the first heir of each way write


TOY = Args(
    data="markov",
    context=3,
    hidden=(10,),
    steps=20,
    batch=64,
    teachers=1,
    answers=(SoftLabels(1.0), SampledLabels(1)),
    own_text=256,
    rounds=1,
    sample=10,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"teacher {self.teacher}"

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "language heirs", self.teacher, *path)


def plan(args: Args) -> list[Trial]:
    return [Trial(args, i) for i in range(args.teachers)]


def run(trial: Trial) -> Iterator[Row]:
    args, task = trial.args, text_task(trial.args.data, trial.args)
    first = args.first_identity(args.teachers) + 1_000_000 * trial.teacher
    teacher = Chip(args.device, task.layers, first, noise_seed=args.seed)
    schools = _schools(args)
    generation = _Generation(trial, task, teacher, first + 1)
    yield generation.train_teacher() | {"done": round(1 / (1 + len(schools)), 4)}
    if args.copies:
        yield from generation.copy()
    for number, school in enumerate(schools, 1):
        for row in generation.teach(school):
            yield row | {"done": round((number + row["done"]) / (1 + len(schools)), 4)}


class _School(NamedTuple):
    """A way of teaching: how the teacher answers, and after what share of the lessons it dies."""

    way: str
    answers: Any = None
    death: float | None = None

    @property
    def loss(self) -> Loss | None:
        """Of the answers; none where a text is read."""
        return None if self.answers is None else self.answers.loss


def _schools(args: Args) -> list[_School]:
    """All ways of teaching; the one that the teacher dies of comes last."""
    schools = [_School(name_of(answers), answers) for answers in args.answers]
    if args.labels:
        schools.insert(0, _School(LABELS))
    if args.own_text:
        schools.append(_School(OWN_TEXT))
    if args.death is not None:
        first = args.answers[0]
        schools.append(_School(f"{name_of(first)}, dies at {args.death:g}", first, args.death))
    return schools


class _Generation(NamedTuple):
    """A teacher, and the identities from which its heirs count."""

    trial: Trial
    task: TextTask
    teacher: Chip
    first: int

    def train_teacher(self) -> Row:
        """The teacher learns from the text, in place."""
        port, ledger = self.teacher.port(), Ledger(self.teacher.spec)
        training = fit(
            self.task.learner(self.trial.args.learner, self.teacher),
            metered(port, ledger),
            self.task.batches(self.trial.generator("teacher", "data")),
            self.trial.generator("teacher", "probes"),
        )
        for _ in log_spaced(training, self.task.args.steps):
            pass
        about = {"way": "teacher", "device": reference(self.teacher.device), **costs(ledger)}
        return {"what": "end", **about, **self._ends(port)}

    def copy(self) -> Iterator[Row]:
        """Blind copies, and copies that are written and verified, layer by layer."""
        knobs = repeat_knobs(xray.knobs(self.teacher), self.trial.args.heirs)
        sent = FLOAT_BITS * sum(k[0].numel() for k in knobs)
        for way in ("blind copy", WRITTEN):
            chip = self._fresh()
            port, ledger = chip.port(), Ledger(chip.spec)
            wires = metered(port, ledger)
            if way == WRITTEN:
                port = trimmed(port, self._write(wires, knobs))
            else:
                wires.program(knobs)
            yield {"what": "end", "way": way, "bits": sent, **costs(ledger), **self._ends(port)}

    def _write(self, port: Port, knobs: Any) -> Any:
        """Write the teacher's weights into fresh chips, and fit the digital trims behind their taps."""
        args, task, source = self.trial.args, self.task, self.teacher.port()
        lines = [Lines.of_symbols(args.context, task.symbols), *[None] * (len(knobs) - 1)]
        layers = tuple(LayerMeter().measure(source, i, lines[i]) for i in range(len(knobs)))
        scaled = tuple(args.scale * k for k in knobs)
        write_and_verify(port, layers, scaled, args.rounds, scale=args.scale, lines=lines)
        stimuli = task.data.train.x[:: -(-len(task.data.train.x) // 1024)]
        return fit_trims(port, stimuli, source.measure(stimuli).taps)

    def teach(self, school: _School) -> Iterator[Row]:
        """Fresh chips learn in some way; what they know, and the bits that it took."""
        chip, traffic = self._fresh(), Traffic()
        port, ledger = chip.port(), Ledger(chip.spec)
        teaching = fit(
            self.task.learner(self.trial.args.learner, chip, school.loss),
            metered(port, ledger),
            self._lessons(school, traffic),
            self.trial.generator(school.way, "probes"),
        )
        steps = self.task.args.steps
        for step in log_spaced(teaching, steps):
            about = {"way": school.way, "teacher": self.trial.teacher, "step": step}
            about |= {"bits": traffic.bits, "lessons": traffic.lessons}
            if step < steps:
                nats = self.task.judge(port, roughly=True)
                yield {"what": "curve", **about, "nats": nats, "done": round(step / steps, 4)}
            else:
                yield {"what": "end", **about, **costs(ledger), **self._ends(port), "done": 1.0}

    def _lessons(self, school: _School, traffic: Traffic) -> Iterator[Batch]:
        """What fresh chips learn from, step by step."""
        order = self.trial.generator("heirs", "data")  # the same contexts for all
        if school.way == LABELS:
            return self.task.batches(order)
        if school.way == OWN_TEXT:
            return self.task.batches(order, self._own_text(traffic))
        stimuli = (batch.unlabeled for batch in self.task.batches(order))
        drawn = self.trial.generator(school.way, "answers")
        heard = lessons(self.teacher.port(), stimuli, school.answers, generator=drawn, traffic=traffic)
        return heard if school.death is None else self._until_death(heard, school.death)

    def _until_death(self, heard: Iterator[Batch], share: float) -> Iterator[Batch]:
        """Lessons until the teacher dies, and then those that heirs remember, in any order."""
        remembered: deque[Batch] = deque(maxlen=REMEMBERED)
        steps = self.task.args.steps
        until = max(1, round(share * steps))
        for lesson in islice(heard, until):
            remembered.append(lesson)
            yield lesson
        self.teacher.die()
        again = self.trial.generator("heirs", "remember")
        for _ in range(steps - until):
            yield remembered[int(torch.randint(len(remembered), (), generator=again))]

    def _own_text(self, traffic: Traffic) -> Batch:
        """Examples of texts that the teacher writes side by side, each behind a context of the true text."""
        args, train = self.trial.args, self.task.data.train
        texts = min(args.batch, args.own_text)
        generator = self.trial.generator("own text")
        start = train.x[torch.randint(len(train.x), (texts,), generator=generator)]
        written = write(self.teacher.port(), start, -(-args.own_text // texts), by_softmax(generator))
        traffic.book(written.numel() + start.numel(), index_bits(self.task.symbols))
        contexts = torch.cat((start, written[:, :-1].to(start)), -1).unfold(1, args.context, 1)
        return Batch(contexts.flatten(0, 1), written.flatten())

    def _fresh(self) -> Chip:
        """Chips that nobody has taught: the same for every way, so that ways are compared on them."""
        args, who = self.trial.args, range(self.first, self.first + self.trial.args.heirs)
        return Chip(args.device, self.task.layers, who, noise_seed=args.seed + 1)

    def _ends(self, port: Port) -> Row:
        """What chips know in the end, and what the first of them writes."""
        row: Row = {"teacher": self.trial.teacher, "nats": self.task.judge(port)}
        if self.trial.args.sample:
            choose = by_softmax(self.trial.generator("writing"))
            row["text"] = self.task.sample(port, choose, self.trial.args.sample)[0]
        return row


def table(rows: Sequence[Row]) -> list[Row]:
    lines, ends = [], [r for r in rows if r["what"] == "end"]
    teachers = {r["teacher"]: r["nats"][0] for r in ends if r["way"] == "teacher"}
    for way in dict.fromkeys(r["way"] for r in ends):
        of_way = [r for r in ends if r["way"] == way]
        whose = [r["teacher"] for r in of_way for _ in r["nats"]]
        nats = [loss for r in of_way for loss in r["nats"]]
        behind = cluster_means([n - teachers[who] for n, who in zip(nats, whose, strict=True)], whose)
        line: Row = {"way": way, "chips": len(nats)}
        line |= {"nats a character": mean_with_interval(cluster_means(nats, whose), 3)}
        line |= {"behind the teacher": mean_with_interval(behind, 3) if way != "teacher" else ""}
        line |= {"Mbit": _megabits(mean_of(of_way, "bits"))}
        line |= {f"Mbit to within {NEAR}": _megabits(_bits_until(rows, way, teachers))}
        line |= {"reads": round_count(mean_of(of_way, "reads"))}
        line |= {"chip J, by guessed Costs": short_number(mean_of(of_way, "joules"))}
        line["writes"] = in_a_line(of_way[0]["text"]) if "text" in of_way[0] else ""
        lines.append(line)
    return lines


def _megabits(bits: float | None) -> str:
    return short_number(bits / 1e6, 3) if bits else ""


def _bits_until(rows: Sequence[Row], way: str, teachers: dict[int, float]) -> float | None:
    """The fewest bits after which all heirs of a way are, in the mean, near their teachers."""
    lost: dict[float, list[float]] = {}
    for r in rows:
        if r["way"] == way and "bits" in r and r["teacher"] in teachers:
            lost.setdefault(r["bits"], []).extend(n - teachers[r["teacher"]] for n in r["nats"])
    return min((bits for bits, gaps in lost.items() if sum(gaps) / len(gaps) <= NEAR), default=None)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(1, width=4.8, height=3.6)
    known = [r for r in rows if r["what"] in ("curve", "end") and r.get("bits")]
    for way, look in looks(r["way"] for r in known).items():
        nats: dict[float, list[float]] = {}
        for r in known:
            if r["way"] == way:
                nats.setdefault(r["bits"] / 1e6, []).extend(r["nats"])
        course(axis, nats, label=way, **look)
    for r in rows:
        if r["way"] == "teacher":
            axis.axhline(r["nats"][0], color=GRAY, lw=0.8, ls="--", label="teacher")
    axis.set(xlabel="sent to the heirs, Mbit", ylabel="test loss, nats a character", xscale="log")
    legend(figure)
    teachers = len({r["trial"] for r in rows})
    note(figure, f"heirs of {teachers} teachers; copies are single points; bands: {INTERVAL}")
    return {"language_heirs": figure}
