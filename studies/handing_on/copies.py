"""Teach or copy? Where a fresh chip is better taught what a teacher knows, and where weights are copied.

A teacher learns in place from labels; fresh chips then get its knowledge by every method there is, from
the blindest copy to a whole training, and the reads that each method spends on a fresh chip are counted.

What each method needs: a *blind copy* the teacher's true knobs; *trimmed* besides, the taps of the living
teacher for some inputs, and a digital gain and offset behind every tap of the fresh chip; *written and
verified* the same, and single layers of both chips, driven and probed alone; *hardware-aware* and
*digital* methods labels and a datasheet, no teacher; *lessons* the outputs of the living teacher for
inputs without labels; *labels* all that the teacher had. Only lessons and labels need no knobs, no
digital description, and not even a chip of the same layers or technology.

Copies are after Joshi et al. 2020 (https://doi.org/10.1038/s41467-020-16108-9) and Wan et al. 2022
(https://doi.org/10.1038/s41586-022-04992-8), who write and verify; hardware-aware training is after Rasch
et al. 2023 (https://doi.org/10.1038/s41467-023-40770-4), with sharpness-aware minimization (Foret et al.
2020, https://arxiv.org/abs/2010.01412). The radius was chosen on held-out images, and so were rounds and
scale of writing, headroom, stimuli and temperature (`--held-out --seed 1 --teachers 1 --chips 8`,
`Mismatched` at severities 1 and 2): 4, 8, 16 and 32 rounds at a scale of 0.35 to 1, headroom 0.25 to 1, 64 to
1,024 stimuli, T = 1, 2, 4 and 8. Cells that are near enough are left alone (see `patience`): where pulses
are coarse that wins up to 20 points, and 100 rounds some more, so that a fleet each is written in few
rounds and in many.

Ours on digits (5 teachers): where knobs can be written and layers read, writing brings fresh chips within a
point of their teacher up to severity 1.5 of `Mismatched`, and on 15 of the 19 devices of the zoo, for a tenth
of a training's reads or less where it takes few rounds; where pulses are coarsest (both fits of the HfO2
array) it loses 7 and 33 points, of a digital network 4 and 21, and fresh heirs 1 and 4. A digital network
trained for the hardware, copied and taught on by labels, is the best of all there is, where there are labels.
So fresh heirs are the only way without knobs, across layers and technologies, and the most accurate one
without labels where a write says little; elsewhere they are the dear one.

Intervals are over teachers, the mean of whose chips counts once; of a single teacher over its chips.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isinf
from statistics import fmean
from typing import Any, Literal, get_args

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import SymmetricalLogLocator
from torch import Generator, Tensor

from analog import Chip, Device, Ideal, Knobs, Ledger, Mismatched, Port, metered, stream, xray
from analog.devices import LinearECRAM
from distill import SoftLabels, distillation_steps
from learners import Batch, CrossEntropy, Loss, Update, evaluate, fit
from learners.data import Dataset, batches, count_steps, held_out, load_data
from learners.learner import Learner

from ..kit.metrics.mean_interval import cluster_means, mean_interval
from ..kit.recipes.hardware_aware import hardware_aware_knobs
from ..kit.recipes.layer_meter import LayerMeter
from ..kit.recipes.published_learner import accumulating_adam, decaying_adam, learned_feedback
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import log_spaced
from ..kit.recipes.weight_copies import Trim, fit_trims, repeat_knobs, trimmed
from ..kit.recipes.write_and_verify import write_and_verify
from ..kit.report.figures import GRAY, INTERVAL, legend, looks, note, panels
from ..kit.report.tables import mean_of, percent_with_interval, points_between, round_count
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive, Share
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row

Copy = Literal[
    "blind copy",
    "trimmed copy",
    "written and verified",
    "hardware-aware",
    "hardware-aware, sharpness",
    "hardware-aware, trimmed",
    "digital, written and verified",
]
Taught = Literal[
    "copy, lessons",
    "copy, labels",
    "hardware-aware, labels",
    "fresh, lessons",
    "fresh, labels",
    "fresh and smaller, lessons",
    "fresh of another technology, lessons",
]
Method = Copy | Taught
METHODS: tuple[Method, ...] = (*get_args(Copy), *get_args(Taught))
RADIUS = 0.1  # of sharpness-aware minimization, full scale
TWINS = 16  # simulated chips whose mean taps a hardware-aware network is trimmed to
SMALLER = 0.75  # hidden neurons of a chip of another architecture, of the teacher's
SEVERITIES = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0)


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    devices: tuple[AnyDevice, ...] = tuple(Mismatched(severity=s) for s in SEVERITIES)  # each with teachers
    methods: tuple[Method, ...] = METHODS  # how a fresh chip gets what the teacher knows
    teachers: Count = 2  # of each device
    chips: Count = 5  # fresh ones for each teacher and method
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # of the teacher and of every training; by default 45, or 15 on large data
    temperature: Positive = 2.0  # of the answers that lessons give
    rounds: tuple[Count, ...] = (8, 100)  # of writing and verifying, each on chips of their own
    scale: Positive = 0.5  # of the weights that are written and verified: below 1 more cells can reach them
    headroom: Share = 0.5  # the largest weight of a digital network that is to be written, of full scale
    stimuli: Count = 256  # training images that a trim is fitted to
    held_out: bool = False  # judge by a fifth of the training images, kept from all, and not by the test's


TOY = Args(devices=(Mismatched(),), teachers=1, chips=2, hidden=8, epochs=0.3, rounds=(2, 3))


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched()
    teacher: int = 0

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, teacher {self.teacher}"

    @property
    def identity(self) -> int:
        return self.args.first_identity(self.args.teachers) + 1_000_000 * self.teacher

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "copies", self.teacher, *path)


def plan(args: Args) -> list[Trial]:
    return [Trial(args, device, t) for device in args.devices for t in range(args.teachers)]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    data = held_out(data) if args.held_out else data
    task = _Task(trial, data, training_size(data, hidden=args.hidden, epochs=args.epochs))
    about = {"device": reference(trial.device), "teacher": trial.identity}
    teacher = Chip(trial.device, task.layers, trial.identity, noise_seed=args.seed)
    ledger = Ledger(teacher.spec)
    for _ in task.train_in_place("teacher", metered(teacher.port(), ledger)):
        pass
    score = round(float(evaluate(teacher.port(), data.test)), 6)
    yield {
        "method": "teacher",
        **about,
        "chip": trial.identity,
        "reads": max(ledger.reads),
        "accuracy": score,
    }
    for number, method in enumerate(args.methods, 1):
        for row in task.hand_over(method, teacher):
            yield {"method": method, **about, **row, "done": round(number / len(args.methods), 4)}


class _Task:
    """One teacher's knowledge, and the methods of handing it to fresh chips."""

    def __init__(self, trial: Trial, data: Dataset, size: TrainingSize) -> None:
        self.trial, self.data, self.size = trial, data, size
        self.layers = network(data, size.hidden)
        self.steps = count_steps(data.train, size.batch, size.epochs)
        self._aware: dict[float, Knobs] = {}

    def hand_over(self, method: Method, teacher: Chip) -> Iterator[Row]:
        """Rows of fresh chips: the reads that they took, and how well they do."""
        for rounds in self.trial.args.rounds if method.endswith("written and verified") else (0,):
            yield from self._handed(method, teacher, rounds)

    def _handed(self, method: Method, teacher: Chip, rounds: int) -> Iterator[Row]:
        who = range(self.trial.identity + 1, self.trial.identity + 1 + self.trial.args.chips)
        other = method.startswith("fresh of another")
        device = _other_technology(self.trial.device) if other else self.trial.device
        smaller = network(self.data, round(SMALLER * self.size.hidden))
        layers = smaller if method.startswith("fresh and smaller") else self.layers
        chip = Chip(device, layers, who, noise_seed=self.trial.args.seed + 1)
        ledger = Ledger(chip.spec)
        port = metered(chip.port(), ledger)
        for step, trims in self._carried_out(method, teacher, port, rounds):
            scores = evaluate(trimmed(chip.port(), trims) if trims else chip.port(), self.data.test).tolist()
            for identity, score in zip(who, scores, strict=True):
                reads = max(ledger.reads)
                yield {"chip": identity, "step": step, "reads": reads, "accuracy": round(score, 6)}

    def _carried_out(
        self, method: Method, teacher: Chip, port: Port, rounds: int
    ) -> Iterator[tuple[int, tuple[Trim, ...]]]:
        """Carry a method out; at every pause, how many lessons or rounds there were, and the chips' trims."""
        if method in get_args(Copy):
            yield rounds, self._copied(method, teacher, port, rounds)
            return
        if method.startswith("copy"):
            port.program(self._repeated(xray.knobs(teacher)))
        elif method.startswith("hardware-aware"):
            port.program(self._repeated(self._aware_knobs(0.0)))
        learning = (
            self._lessons(method, teacher, port)
            if method.endswith("lessons")
            else self.train_in_place(method, port)
        )
        for step in log_spaced(learning, self.steps):
            yield step, ()

    def _copied(self, method: Method, teacher: Chip, port: Port, rounds: int) -> tuple[Trim, ...]:
        """Copy weights in some method; what digital trims of the fresh chips it takes, if any."""
        x = self.data.train.x[: self.trial.args.stimuli]
        if method == "digital, written and verified":
            digital = Chip(Ideal(), self.layers, self.trial.identity)
            digital.port().program(self._digital_knobs())
            return self._written(port, digital, x, rounds)
        if method == "written and verified":
            return self._written(port, teacher, x, rounds)
        if method in ("blind copy", "trimmed copy"):
            port.program(self._repeated(xray.knobs(teacher)))
            return fit_trims(port, x, teacher.port().measure(x).taps) if method == "trimmed copy" else ()
        port.program(self._repeated(self._aware_knobs(RADIUS if method.endswith("sharpness") else 0.0)))
        return fit_trims(port, x, self._aware_taps(x)) if method == "hardware-aware, trimmed" else ()

    def _written(self, port: Port, source: Chip, x: Tensor, rounds: int) -> tuple[Trim, ...]:
        """Write and verify a source's weights, and trim what is left."""
        layers = tuple(LayerMeter().measure(source.port(), i) for i in range(len(self.layers)))
        scale = self.trial.args.scale
        first = self._repeated(tuple(scale * k for k in xray.knobs(source)))
        write_and_verify(port, layers, first, rounds, scale=scale)
        return fit_trims(port, x, source.port().measure(x).taps)

    def _lessons(self, method: Method, teacher: Chip, port: Port) -> Iterator[object]:
        """A training in place, from what the teacher answers."""
        return distillation_steps(
            teacher.port(),
            port,
            self._learner,
            (batch.unlabeled for batch in self._batches(method)),
            answers=SoftLabels(temperature=self.trial.args.temperature),
            generator=self.trial.generator(method, "probes"),
        )

    def train_in_place(self, what: str, port: Port) -> Iterator[object]:
        """A training in place, from all labels."""
        learner = self._learner(CrossEntropy())
        return fit(learner, port, self._batches(what), self.trial.generator(what, "probes"))

    def _repeated(self, knobs: Knobs) -> Knobs:
        return repeat_knobs(knobs, self.trial.args.chips)

    def _learner(self, loss: Loss) -> Learner:
        granular = self.trial.device.costs.step is not None
        update = accumulating_adam(self.data, self.size) if granular else self._update()
        return learned_feedback(self.size.probes, update)(loss)

    def _batches(self, what: str) -> Iterator[Batch]:
        order = self.trial.generator(what, "data")
        return batches(self.data.train, self.size.batch, self.size.epochs, order)

    def _update(self) -> Update:
        return decaying_adam(self.data, self.size.batch, self.size.epochs, self.size.learning_rate)

    def _aware_knobs(self, radius: float) -> Knobs:
        if radius not in self._aware:
            self._aware[radius] = hardware_aware_knobs(
                self.trial.device,
                self.layers,
                self._batches("hardware-aware"),
                self._update(),
                CrossEntropy(),
                radius,
                seed=self.trial.args.seed,
            )
        return self._aware[radius]

    def _aware_taps(self, stimuli: Tensor) -> tuple[Tensor, ...]:
        """The mean taps of simulated chips with the hardware-aware knobs."""
        first = (1 << 50) + TWINS * self.trial.teacher
        twins = Chip(self.trial.device, self.layers, range(first, first + TWINS))
        twins.port().program(repeat_knobs(self._aware_knobs(0.0), TWINS))
        return tuple(tap.mean(0) for tap in xray.respond(twins, stimuli).taps)

    def _digital_knobs(self) -> Knobs:
        order = self._batches("digital")
        return hardware_aware_knobs(
            Ideal(), self.layers, order, self._update(), CrossEntropy(), limit=self.trial.args.headroom
        )


def _other_technology(device: Device) -> Device:
    """A technology that a device's weights mean nothing to."""
    return LinearECRAM() if reference(device) != reference(LinearECRAM()) else Mismatched()


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for device in dict.fromkeys(r["device"] for r in rows):
        of_device = [r for r in rows if r["device"] == device]
        teachers = {r["teacher"]: r["accuracy"] for r in of_device if r["method"] == "teacher"}
        for method in dict.fromkeys(r["method"] for r in of_device):
            ends = {r["chip"]: r for r in of_device if r["method"] == method}  # the last of each chip
            whose = [r["teacher"] for r in ends.values()]
            right = cluster_means([r["accuracy"] for r in ends.values()], whose)
            behind = points_between(cluster_means([teachers[who] for who in whose], whose), right)
            lines.append(
                {
                    "device": short_reference(device),
                    "method": method,
                    "teachers": len({*whose}),
                    "chips": len(ends),
                    "right %": percent_with_interval(right),
                    "points lost": behind if method != "teacher" else "",
                    "reads": round_count(mean_of([*ends.values()], "reads")),
                    "reads to half a point": round_count(_reads_until(of_device, method, teachers)),
                }
            )
    return lines


def _reads_until(rows: Sequence[Row], method: str, teachers: dict[int, float]) -> float | None:
    """The fewest reads after which a method's chips are, in the mean, half a point behind their teachers."""
    points: dict[int, list[float]] = {}
    for r in rows:
        if r["method"] == method and method != "teacher":
            points.setdefault(r["reads"], []).append(teachers[r["teacher"]] - r["accuracy"])
    return min((reads for reads, lost in points.items() if fmean(lost) <= 0.005), default=None)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    devices = [*dict.fromkeys(r["device"] for r in rows)]
    across = min(3, max(1, len(devices)))
    figure, axes = panels(across, -(-len(devices) // across), width=3.6, sharey=True)
    look = looks(r["method"] for r in rows if r["method"] != "teacher")
    for axis in axes[max(1, len(devices)) :]:
        axis.set_axis_off()
    for axis, device in zip(axes, devices, strict=False):
        _draw(axis, [r for r in rows if r["device"] == device], look)
        axis.set(title=short_reference(device))
        axis.set_xscale("symlog", linthresh=100)
        axis.xaxis.set_major_locator(SymmetricalLogLocator(base=100, linthresh=100))
    for axis in axes:
        axis.set(xlabel="reads on the fresh chip", ylabel="right, % of test images")
    legend(figure)
    note(figure, f"copies are dots, trainings are lines; bars: {INTERVAL} over chips")
    return {"copies": figure}


def _draw(axis: Axes, rows: Sequence[Row], look: dict[str, dict[str, Any]]) -> None:
    """Copies are dots, trainings are lines; bars are 95 % intervals of the mean over chips."""
    if teachers := [r["accuracy"] for r in rows if r["method"] == "teacher"]:
        axis.axhline(100 * fmean(teachers), color=GRAY, lw=0.8, ls="--", label="teacher")
    for method in dict.fromkeys(r["method"] for r in rows if r["method"] != "teacher"):
        points: dict[int, list[float]] = {}
        for r in rows:
            if r["method"] == method:
                points.setdefault(r["reads"], []).append(r["accuracy"])
        means = [mean_interval(values) for values in points.values()]
        bars = [0 if isinf(m.half_width) else 100 * m.half_width for m in means]
        shown = {**look[method], "ls": ""} if method in get_args(Copy) else look[method]
        axis.errorbar([*points], [100 * m.mean for m in means], bars, label=method, capsize=2, **shown)
