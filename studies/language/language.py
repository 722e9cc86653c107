"""A chip that nobody knows learns in place to predict text, character by character, and to write it.

Contexts of n symbols drive a chip through digital wiring that decodes them, a line for each place and
symbol; hidden layers follow, and a read-out whose outputs are the next symbol's logits; before them, with
`--embedding`, a tile that all places share; `--greedy` gives deeper ones local objectives. Every learner
teaches the same chips the same batches. Beside them stand networks in exact arithmetic of the same size
(`digital network`: backprop, the same batches, no noise) and n-grams by interpolated Kneser-Ney smoothing,
which counted the same text. The loss is that of the last tenth of the text; with `--held-out`, for choosing
settings, that of the tenth before, and nobody is shown the last.

What limits the loss is what chips remember of the text, not what they could learn of it: on the tenth that
was held out twice as many neurons won next to nothing, while the loss on what was learned fell far below. A
share of each context's symbols may be hidden in training (`--dropout`).

Chips write by the softmax of their outputs, and by their own noise (`writing`): two readings of a context
differ, and the difference, shaped digitally, decides in place of a number drawn elsewhere. `off` is how far
400 choices for each of 50 contexts are from the softmax, in total variation, beside that of choices drawn
from it.

Published beside ours: nanoGPT's README (https://github.com/karpathy/nanoGPT), this text and split,
backprop: a transformer of .8 million parameters 1.88 nats after three minutes on a CPU, one of 10.7 million
1.47 after three on an A100. Nobody that we know of trained a language model in place on hardware that
nobody knows.

With `--recurrent` a context comes symbol by symbol into a first hidden layer that has a state: all places
share its tile, and probes are sent to all steps. Learners that measure a backward model refuse it.

Open questions: a state that goes on from context to context; what else keeps chips from learning by heart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure
from torch import Generator

from analog import Chip, Ideal, Ledger, metered, stream
from learners import fit

from ..kit.digital.ngrams import ngram_losses
from ..kit.recipes.methods import AnyLearner, method_name
from ..kit.recipes.trainings import log_spaced
from ..kit.report.figures import GRAY, INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import fixed, mean_of, mean_with_interval, round_count, short_number
from ..kit.run.ranges import Count, CountOrZero
from ..kit.run.references import reference
from ..kit.run.study import Row
from .text_chips import TextChips, TextTask, bits_a_character, costs, in_a_line, text_task
from .writing import by_noise, by_softmax, distance_from_softmax

DIGITAL = "digital network"
DRAWS = 400  # choices for each of the contexts by which a way of choosing is judged
CONTEXTS = 50


@dataclass(frozen=True)
class Args(TextChips):
    data: str = "shakespeare"  # shakespeare, markov, a file of text, or package.module:string
    learners: tuple[AnyLearner, ...] = ("learned feedback", "measured feedback", "node perturbation")
    chips: Count = 3  # for each learner
    digital: CountOrZero = 1  # networks in exact arithmetic, by backprop
    ngrams: CountOrZero = 6  # symbols of the longest n-grams
    sample: CountOrZero = 300  # symbols that the first chip of each learner writes


TOY = Args(
    data="markov",
    context=3,
    hidden=(12,),
    steps=30,
    batch=64,
    chips=1,
    learners=("learned feedback",),
    ngrams=3,
    sample=10,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    learner: AnyLearner | None = None  # None: n-grams
    number: int = 0
    exact: bool = False  # whether in exact arithmetic

    @property
    def name(self) -> str:
        return f"{self.label}, {self.number}" if self.learner is not None else "n-grams"

    @property
    def label(self) -> str:
        return DIGITAL if self.exact else method_name(self.learner)

    def generator(self, *path: str) -> Generator:
        return stream(self.args.seed, "language", self.number, *path)  # the same for all learners


def plan(args: Args) -> list[Trial]:
    counting = [Trial(args)] if args.ngrams else []
    digital = [Trial(_as_a_whole(args), "exact gradient", i, exact=True) for i in range(args.digital)]
    return counting + digital + [Trial(args, m, i) for m in args.learners for i in range(args.chips)]


def _as_a_whole(args: Args) -> Args:
    """The arguments of a network that backprop teaches, whatever objectives chips have."""
    return replace(args, greedy=False)


def run(trial: Trial) -> Iterator[Row]:
    task = text_task(trial.args.data, trial.args)
    yield from _count(trial, task) if trial.learner is None else _train(trial, task)


def _count(trial: Trial, task: TextTask) -> Iterator[Row]:
    test = task.data.test
    orders = min(trial.args.ngrams, trial.args.context + 1)
    losses = ngram_losses(task.text.train, test.x.long(), test.target, task.symbols, orders)
    for order, loss in enumerate(losses, 1):
        about = {"what": "end", "learner": f"{order}-grams", "number": 0, "done": order / orders}
        yield {**about, "nats": round(loss / task.characters_each, 6)}


def _train(trial: Trial, task: TextTask) -> Iterator[Row]:
    args = trial.args
    device, who = (Ideal() if trial.exact else args.device), args.identities(args.chips)[0] + trial.number
    chip = Chip(device, task.layers, who, noise_seed=args.seed)
    learner, ledger, port = task.learner(trial.learner, chip), Ledger(chip.spec), chip.port()
    about = {"learner": trial.label, "number": trial.number, "device": reference(device)}
    about |= {"access": task.access(trial.learner, chip)}
    training = fit(
        learner, metered(port, ledger), task.batches(trial.generator("data")), trial.generator("probes")
    )
    for step in log_spaced(training, args.steps):
        (nats,) = task.judge(port, roughly=step < args.steps)
        what = "curve" if step < args.steps else "end"
        done = round(step / args.steps, 4) if step < args.steps else 0.99
        yield {"what": what, **about, "step": step, "nats": nats, **costs(ledger), "done": done}
    if args.sample and trial.number == 0:
        yield from _samples(trial, task, chip)
    yield {"what": "finished", "done": 1.0}


def _samples(trial: Trial, task: TextTask, chip: Chip) -> Iterator[Row]:
    """What a chip writes, and how well its choices keep to the chances that it gives."""
    contexts = task.data.test.x[:: -(-len(task.data.test.x) // CONTEXTS)]
    drawn = by_softmax(trial.generator("writing"))
    ways = {"softmax": drawn} | ({} if trial.exact else {"noise": by_noise(chip.port(), contexts)})
    for way, choose in ways.items():
        (text,) = task.sample(chip.port(), choose, trial.args.sample)
        about = {"what": "sample", "learner": trial.label, "number": trial.number, "by": way}
        off = distance_from_softmax(chip.port(), contexts, choose, DRAWS)
        yield {**about, "text": text, "off": round(off, 6)}


def table(rows: Sequence[Row]) -> list[Row]:
    lines, ends = [], [r for r in rows if r["what"] == "end"]
    for learner in dict.fromkeys(r["learner"] for r in ends):
        of_learner = [r for r in ends if r["learner"] == learner]
        samples = {r["by"]: r for r in rows if r["what"] == "sample" and r["learner"] == learner}
        line: Row = {"learner": learner, "n": len(of_learner)}
        line |= {"nats a character": mean_with_interval([r["nats"] for r in of_learner], 3)}
        line |= {"bits": mean_with_interval([bits_a_character(r["nats"]) for r in of_learner], 3)}
        line |= {"reads": round_count(mean_of(of_learner, "reads"))}
        line |= {"pulses/cell": short_number(mean_of(of_learner, "pulses_per_cell"))}
        line |= {"chip J, by guessed Costs": short_number(mean_of(of_learner, "joules"))}
        line |= {"chip s": short_number(mean_of(of_learner, "seconds"))}
        line |= {"access": of_learner[0].get("access", "")}
        for way in ("softmax", "noise"):
            line[f"off, by {way}"] = fixed(samples[way]["off"], 3) if way in samples else ""
        line["writes"] = in_a_line(samples["softmax"]["text"]) if samples else ""
        lines.append(line)
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (axis,) = panels(1, width=4.6, height=3.6)
    points = [r for r in rows if r["what"] in ("curve", "end") and "reads" in r]
    for learner, look in looks(r["learner"] for r in points).items():
        nats: dict[int, list[float]] = {}
        for r in points:
            if r["learner"] == learner:
                nats.setdefault(r["reads"], []).append(r["nats"])
        course(axis, nats, label=learner, **look)
    for r in rows:
        if r["what"] == "end" and "reads" not in r:
            axis.axhline(r["nats"], color=GRAY, ls=":", lw=0.8)
            axis.annotate(r["learner"], (0.01, r["nats"]), xycoords=("axes fraction", "data"), fontsize=7)
    axis.set(xlabel="vectors read, of each chip", ylabel="test loss, nats a character", xscale="log")
    legend(figure)
    chips = max((r["number"] + 1 for r in points), default=0)
    note(figure, f"mean of up to {chips} chips; dotted: n-grams; bands: {INTERVAL}")
    return {"language": figure}
