"""Mortal chips on disjoint shards, teaching each other, learn nearly as much as one that saw everything.

N chips have 1/N of the labelled images each. In every round each shows a few of its own to the others with
its answer, and learns from own labels and heard answers in one batch, by learned feedback (node perturbation
that teaches a backward model). Everything a chip sends and receives is counted: answers, the number of the
image, and images once to each who keeps them (8 bits a pixel). Beside it: four chips that saw everything,
four that learn alone from shards of that size, N identical digital machines that average exact gradients at
every step (one machine with N times the batch), and N that average weights ten times. All mortal chips make
the same number of reads, answers included; no digital machine sees more examples than that takes.

Chosen on held-out digits (1,200 to learn from, 237 to choose by, 1 to 3 seeds): 4 bits an output at
temperature 1, seven tenths of a batch from others; gradients at three tenths of the chips' rounds, the
fewest that lost nothing there.

What sharing gains or loses is compared by community, with the same shards and, where they are mortal, the
same chips (`sharing beside ...`: paired differences in points). "Weights" averages ten times, so that its
bits are few by that choice: to average at every step costs as much as gradients do.

How accuracy hangs on what may be sent: --bandwidths, multiples of what each usually sends (lessons in a
batch; steps at which gradients are averaged; times that weights are), with accuracy against bits in the
picture.

Published beside ours: none. Hinton's talk: identical digital agents can average weights or gradients, mortal
ones can only distil; no numbers.

Open questions: images travel here, so their labels could, and every image once with its label is .74 Mbit (8
bits a pixel and 4 a label of 1,437 digits): answers pay where labels must stay, or where everybody has the
images. Also shards that hold different classes; chips of different technologies; studying an old answer again
instead of hearing a new one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Final, Literal, get_args

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Ideal, Ledger, Mismatched, metered, stream, xray
from distill import Codistillation, QuantizedLogits, codistill
from distill.communication import CommunicationLog
from distill.formats import FLOAT_BITS
from distill.shards import shard_indices, take_from_shards
from learners import Batch, CrossEntropy, adam, evaluate, fit, linear_decay
from learners.data import Dataset, count_steps, load_data, take

from ..kit.recipes.answer_formats import AnyAnswerFormat
from ..kit.recipes.exact_gradient import ExactGradient
from ..kit.recipes.published_learner import learned_feedback
from ..kit.recipes.training_size import TrainingSize, network, training_size
from ..kit.recipes.trainings import log_spaced
from ..kit.recipes.weight_copies import repeat_knobs
from ..kit.report.figures import INTERVAL, course, has_data, legend, looks, note, panels
from ..kit.report.tables import mean_of, percent, percent_with_interval, points_between, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row

Method = Literal["everything", "alone", "community", "gradients", "weights"]
WHO_SEND: Final = ("community", "gradients", "weights")
FEW = 4  # chips that stand for all who learn without others
LESSONS = 0.7  # of a batch, what others answered; on held-out digits
FEWER = 0.3  # of the chips' rounds, steps of machines that average gradients; on held-out digits
TIMES = 10  # that weights are averaged


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()  # the hardware, package.module:Class or package.module:Class(word=value)
    methods: tuple[Method, ...] = get_args(Method)  # who learns, and what they send to each other
    chips: tuple[Count, ...] = (1, 2, 4, 8, 16, 32)  # in a community
    communities: Count = 5  # of other chips and other shards, each
    peers: Count | None = None  # whom each chip hears in a round, by lot; by default all others
    bandwidths: tuple[Positive, ...] = (1.0,)  # how much is sent, of what is usual, by all who send
    answers: AnyAnswerFormat = QuantizedLogits(bits_each=4, temperature=1.0)  # how chips answer each other
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    epochs: Positive | None = None  # of one that saw everything; by default 45, or 15 on large data


TOY = Args(chips=(1, 3), communities=1, epochs=0.3, hidden=8)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: Method = "community"
    chips: int = 2
    number: int = 0
    bandwidth: float = 1.0

    @property
    def name(self) -> str:
        bandwidth = "" if self.bandwidth == 1.0 else f", bandwidth {self.bandwidth:g}"
        return f"{self.method}, {self.chips} chips, community {self.number}{bandwidth}"

    @property
    def first_chip(self) -> int:
        return self.args.first_identity(self.args.communities) + 1_000_000 * self.number

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "community", self.number, self.chips, *path)


def plan(args: Args) -> list[Trial]:
    sizes = {method: (1,) if method == "everything" else args.chips for method in args.methods}
    return [
        Trial(args, method, chips, number, bandwidth)
        for method in args.methods
        for chips in sizes[method]
        for number in range(args.communities)
        for bandwidth in (args.bandwidths if chips > 1 and method in WHO_SEND else (1.0,))
    ]


def run(trial: Trial) -> Iterator[Row]:
    data = load_data(trial.args.data)
    size = training_size(data, hidden=trial.args.hidden, epochs=trial.args.epochs)
    shards = _shards(data, trial)
    is_digital = trial.method in ("gradients", "weights")
    for row in (_digital if is_digital else _mortal)(trial, data, size, shards):
        about: Row = {"method": trial.method, "chips": trial.chips, "bandwidth": trial.bandwidth}
        yield {"what": "end", **about, "community": trial.number, **row}


def _shards(data: Dataset, trial: Trial) -> Batch:
    """A disjoint share of the training data for each chip; some images are left over."""
    each = len(data.train.x) // trial.chips
    order = torch.randperm(len(data.train.x), generator=trial.generator("shards"))
    indices = order[: each * trial.chips].reshape(trial.chips, each)
    if trial.method == "everything":
        indices = indices.expand(FEW, each)
    return take(data.train, indices)


def settings_of_round(
    args: Args, size: TrainingSize, chips: int, examples: int, bandwidth: float = 1.0
) -> Codistillation:
    """What fills a batch: own examples, and as many lessons of others as suits, or a share of them."""
    if chips == 1:
        return Codistillation(min(size.batch, examples), 0, args.answers)
    peers = chips - 1 if args.peers is None else args.peers
    shared = max(1, min(round(bandwidth * LESSONS * size.batch / peers), size.batch // (peers + 1), examples))
    own_examples = min(max(size.batch - peers * shared, shared), examples)
    return Codistillation(own_examples, shared, args.answers, args.peers)


def _mortal(trial: Trial, data: Dataset, size: TrainingSize, shards: Batch) -> Iterator[Row]:
    """Chips that learn by learned feedback, with what they hear from each other."""
    args = trial.args
    if trial.method == "community":
        chips, examples = shards.target.shape
        settings = settings_of_round(args, size, chips, examples, trial.bandwidth)
    else:
        shards = Batch(shards.x[:FEW], shards.target[:FEW])
        settings = Codistillation(min(size.batch, shards.target.shape[1]), shared_examples=0)
    rounds = _affordable_rounds(data, size, settings, chips=len(shards.x))
    identities = range(trial.first_chip, trial.first_chip + len(shards.x))
    chip = Chip(args.device, network(data, size.hidden), identities, noise_seed=args.seed)
    ledger, log, port = Ledger(chip.spec), CommunicationLog(), chip.port()
    training = codistill(
        metered(port, ledger),
        learned_feedback(size.probes, linear_decay(adam(size.learning_rate), rounds)),
        shards,
        settings,
        rounds,
        order=trial.generator("order"),
        generator=trial.generator("probes"),
        answer_generator=trial.generator("answers"),
        log=log,
    )
    for step in log_spaced(training, rounds):
        scores = evaluate(port, data.test)
        yield {
            **({"what": "curve"} if step < rounds else {"worst": round(float(scores.min()), 6)}),
            "step": step,
            "accuracy": round(float(scores.mean()), 6),
            "bits": fmean(log.bits) if log.bits else 0.0,
            "lessons": fmean(t.lessons for t in log.received) if log.received else 0.0,
            "reads": max(ledger.reads),
            "done": step / rounds,
        }


def _affordable_rounds(data: Dataset, size: TrainingSize, settings: Codistillation, chips: int) -> int:
    """Rounds for as many reads as a chip has that saw everything; its answers are among them."""
    lessons = settings.lessons_per_round(chips)
    reads = (settings.own_examples + lessons) * (1 + size.probes)
    reads += settings.shared_examples if lessons else 0
    reads_of_step = min(size.batch, len(data.train.x)) * (1 + size.probes)
    return max(1, reads_of_step * count_steps(data.train, size.batch, size.epochs) // reads)


def _digital(trial: Trial, data: Dataset, size: TrainingSize, shards: Batch) -> Iterator[Row]:
    """Identical machines with exact gradients, which they average, or their weights from time to time."""
    batch = min(size.batch, shards.target.shape[1])
    rounds = count_steps(data.train, size.batch, size.epochs)
    average_gradients = trial.method == "gradients"
    rounds = max(1, round(trial.bandwidth * FEWER * rounds)) if average_gradients else rounds
    layers, first = network(data, size.hidden), trial.first_chip
    chip = Chip(Ideal(), layers, first if average_gradients else (first,) * trial.chips)
    order = shard_indices(shards, batch, rounds, trial.generator("order"))
    batches = (take_from_shards(shards, indices) for indices in order)
    if average_gradients:  # of one machine with all batches at once
        batches = (Batch(b.x.flatten(0, 1), b.target.flatten()) for b in batches)
    learner, port = (
        ExactGradient(chip, linear_decay(adam(size.learning_rate), rounds), CrossEntropy()),
        chip.port(),
    )
    exchanges, every = 0, 1 if average_gradients else -(-rounds // max(1, round(trial.bandwidth * TIMES)))
    for step, _ in enumerate(fit(learner, port, batches, trial.generator("unused")), 1):
        if step % every and step < rounds:
            continue
        exchanges += 1
        if not average_gradients:
            port.program(repeat_knobs(tuple(k.mean(0) for k in xray.knobs(chip)), trial.chips))
    scores = evaluate(port, data.test)
    knobs = sum(la.tiles * la.rows * la.cols for la in layers)
    yield {
        "step": rounds,
        "accuracy": round(float(scores.mean()), 6),
        "worst": round(float(scores.min()), 6),
        "bits": 2 * FLOAT_BITS * knobs * exchanges * (trial.chips > 1),
        "done": 1.0,
    }


def _ends(rows: Sequence[Row], method: str, chips: int | None = None, bandwidth: float = 1.0) -> list[Row]:
    """The last rows of a method's trials; whoever saw everything stands beside communities of every size, and
    who sends nothing beside every bandwidth.
    """
    ends = [r for r in rows if r["what"] == "end" and r["method"] == method]
    sends = method in WHO_SEND and chips != 1
    ends = [r for r in ends if not sends or r["bandwidth"] == bandwidth]
    return [r for r in ends if method == "everything" or chips is None or r["chips"] == chips]


def _sizes(rows: Sequence[Row]) -> list[int]:
    return sorted({r["chips"] for r in rows if r["method"] != "everything"} or {1})


def _bandwidths(rows: Sequence[Row]) -> list[float]:
    return sorted({r["bandwidth"] for r in rows if r["method"] in WHO_SEND and r["chips"] > 1} or {1.0})


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    cases = [(n, b) for n in _sizes(rows) for b in (_bandwidths(rows) if n > 1 else [1.0])]
    for chips, bandwidth in cases:
        ends = {method: _ends(rows, method, chips, bandwidth) for method in get_args(Method)}
        line: Row = {"chips": chips, "bandwidth": bandwidth, "communities": max(map(len, ends.values()))}
        for method, of_method in ends.items():
            sends = chips > 1 and method in WHO_SEND
            score = percent_with_interval([r["accuracy"] for r in of_method])
            sent = f", {fmean(r['bits'] for r in of_method) / 1e6:.3g}" if of_method and sends else ""
            line[f"{method} %, Mbit" if method in WHO_SEND else f"{method} %"] = score + sent
        for method in ("everything", "alone", "gradients", "weights"):
            line[f"sharing beside {method}"] = _beside(ends["community"], ends[method])
        ours = ends["community"]
        line["worst %"] = percent(min(r["worst"] for r in ours)) if ours else ""
        line["reads"] = short_number(mean_of(ours, "reads"), 3)
        lines.append(line)
    return lines


def _beside(ours: Sequence[Row], others: Sequence[Row]) -> str:
    """The paired difference of communities that were run with both."""
    scores, other_scores = ({r["community"]: r["accuracy"] for r in ends} for ends in (ours, others))
    both = [number for number in scores if number in other_scores]
    return points_between([scores[n] for n in both], [other_scores[n] for n in both])


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    several = len(_bandwidths(rows)) > 1
    figure, (left, right, *more) = panels(3 if several else 2, width=3.6, height=3.2)
    labels = {
        "everything": "one chip that saw everything",
        "alone": "mortal, alone on a shard",
        "community": "mortal, sharing by distillation",
        "gradients": "digital, averaging gradients",
        "weights": "digital, averaging weights",
    }
    for method, look in looks(labels).items():
        ends = {n: _ends(rows, method, n) for n in _sizes(rows)}
        right_of = {n: [100 * r["accuracy"] for r in of_size] for n, of_size in ends.items()}
        course(left, right_of, label=labels[method], **look)
        sent = {n: [r["bits"] / 1e6 for r in of_size if r["bits"]] for n, of_size in ends.items()}
        course(right, sent, **look)
        for axis in more:
            _draw_bandwidths(axis, rows, method, look)
    left.set(xlabel="chips N, each with 1/N of the labeled images", ylabel="test accuracy, %", xscale="log")
    right.set(xlabel="chips N", ylabel="sent through each chip's wires, Mbit", xscale="log")
    if has_data(right):
        right.set_yscale("log")
    for axis in (left, right):
        axis.set_xticks(_sizes(rows), [str(n) for n in _sizes(rows)])
        axis.minorticks_off()
    for axis in more:
        axis.set(xlabel="sent through each chip's wires, Mbit", ylabel="test accuracy, %", xscale="log")
        axis.set(title=f"{max(_sizes(rows))} chips, by bandwidth")
    legend(figure)
    note(figure, f"mean of {len({r['community'] for r in rows})} communities; bands: {INTERVAL}")
    return {"community": figure}


def _draw_bandwidths(axis: Axes, rows: Sequence[Row], method: str, look: dict[str, Any]) -> None:
    """Accuracy against what was sent, by the largest community; who sends nothing is a line across."""
    chips, places = max(_sizes(rows)), {}
    for bandwidth in _bandwidths(rows):
        ends = _ends(rows, method, chips, bandwidth)
        scores = [100 * r["accuracy"] for r in ends]
        if scores and method not in WHO_SEND:
            axis.axhline(fmean(scores), color=look["color"], lw=0.8, ls=":")
        elif scores:
            places[fmean(r["bits"] for r in ends) / 1e6] = scores
    course(axis, places, **look)
