"""Node perturbation of a whole chip fails as it grows deep; with local objectives it holds out longest.

Chips of one to eight equal hidden layers, 3 of each as a fleet, learn in place by node perturbation, the
read-out by its own delta rule, on the same batches and with the same update (Adam, rate falling to zero):

    node perturbation    plain: all hidden layers are probed at once; no model of the chip
    in turn              one layer after another, each in measurements of its own: nothing leaks between them
    decorrelated         all at once, every layer's inputs decorrelated by a matrix in the wiring
    greedy               every layer has a digital read-out of its own and is taught by that alone
    greedy + learned feedback
                         and gradients are predicted by feedback that the probes teach
    learned feedback, learned feedback alone, weight perturbation + delta rule, measured feedback
                         as in `in_place`
    exact gradient       by x-ray, which no real hardware allows

What is equal: reads, counted as vectors through layers (a batch of 64 read by 9 layers is 576), by
which a chip is also charged its seconds. So `in turn`, whose step costs more, makes fewer steps. Digital
arithmetic (heads, matrices) is not charged. The exact gradient and measured feedback make as many steps as
plain node perturbation and need fewer reads, which the table gives. Each method's rate is chosen at each
depth among the same few, on a fifth of the training data held out, from other chips; probe size and
decorrelation are the same for all.

The alignment is the cosine between the gradient estimated from one batch and the exact gradient of the
objective that the method descends (of its local objectives for `greedy`), at the knobs of all hidden layers.

Knobs start out normal with variance gain^2 / fan-in. The choice matters: on eight layers of fresh chips
(about gain 1) what the outputs of a layer differ by between examples falls from 0.21 to 0.04 V, noise being
0.02 V; at gain 1.4 from 0.26 to 0.16 V, noise 0.04 V.

Published: nothing at equal reads that we know of.

Ours (digits, seed 0; mean test error in % of 3 Mismatched chips, and the early alignment; plain is node
perturbation, exact the exact gradient):

    hidden layers         1           2           3           4           6           8
    plain             4.3 0.33    4.6 0.24    4.5 0.24    5.4 0.20   10.6 0.16   14.5 0.11
    in turn           4.3 0.33    5.0 0.39    5.5 0.42    5.0 0.17    8.6 0.21    8.6 0.17
    decorrelated      3.2 0.23    3.7 0.13    4.3 0.12    4.6 0.09    8.8 0.07   17.3 0.05
    greedy            4.1 0.48    4.4 0.38    4.5 0.66    5.2 0.63    5.1 0.56    7.4 0.47
    exact             3.5         2.6         2.3         2.6         3.5         2.7

Up to 4 layers the methods are alike within what 3 chips differ by (about 1 %), decorrelation first; from 6 on
greedy is clearly ahead. Alignments are taken where each method's rate has led it. With 6 passes plain is
ahead at 3 layers (7.5 against 8.2) and far behind at 6 (28.0 against 11.0): layers so taught wait for those
below.

With learned feedback in both methods (`--chips 10 --depths 3 4 6 8 --learners "learned feedback" "greedy +
learned feedback"`; mean of 10 chips) greedy is ahead at each of these depths: 3.1 against 3.7 %, 3.4 against
3.9, 3.4 against 4.1, 3.4 against 5.6. The gradient of a layer right below its head has the very form that
feedback predicts; deeper ones have not. On MNIST (`--data mnist --epochs 4 --tuning-chips 1 --learning-rates
3e-3 1e-2`, the same methods, 3 chips): 2.24 against 2.66 % with 3 hidden layers, 2.14 against 3.01 with 4,
every greedy chip ahead of every
plain one; without feedback, in 3 passes, 6.2 against 6.5 with 3.

Open questions: what is lost by greed itself, which the exact gradient of the local
objectives would tell.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Final, Literal, get_args

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Knobs, Ledger, Mismatched, Port, dense, metered, stream
from learners import Batch, CrossEntropy, Descent, NodePerturbation, Update, adam, evaluate, linear_decay, sgd
from learners.access import stated_access
from learners.data import Dataset, count_steps, draw_batches, held_out, load_data
from learners.learner import Learner
from learners.local import Block, Greedy
from learners.recipes import FEEDBACK, PROBE_SIZE
from learners.wiring import Decorrelated

from ..kit.metrics import gradient_alignment
from ..kit.recipes.deep_chips import (
    deep_layers,
    random_knobs,
    readout_layer,
    scaled_per_chip,
    signal_and_noise,
)
from ..kit.recipes.methods import (
    MethodName,
    Recipe,
    Setup,
    learner_by_name,
    make_learner,
    method_name,
    takes_update,
)
from ..kit.recipes.training_size import TrainingSize, training_size
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import fixed, mean_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.study import Row

Layerwise = Literal["in turn", "decorrelated", "greedy", "greedy + learned feedback"]
Method = Literal[MethodName, Layerwise]
METHODS: Final[tuple[Method, ...]] = (
    "node perturbation",
    "learned feedback",
    "learned feedback alone",
    "weight perturbation + delta rule",
    *get_args(Layerwise),
    "measured feedback",
    "exact gradient",
)
AnyLearner = Annotated[Method | Recipe | Learner, learner_by_name(METHODS)]
GREEDY: Final = ("greedy", "greedy + learned feedback")
DECORRELATION: Final = 1e-3  # rate of the matrices; best of 1e-2, 1e-3 and 1e-4 on held-out digits
ALIGNED: Final = 8  # batches over which an alignment is averaged


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    device: AnyDevice = Mismatched()
    learners: tuple[AnyLearner, ...] = METHODS
    depths: tuple[Count, ...] = (1, 2, 3, 4, 6, 8)  # hidden layers
    chips: Count = 3  # identities, one fleet
    tuning_chips: Count = 2  # other identities, on which each rate is tried
    hidden: Count | None = None  # neurons of a layer; by default 64, or 256 on large data
    epochs: Positive = 20  # of node perturbation
    learning_rates: tuple[Positive, ...] = (1e-3, 3e-3, 1e-2, 3e-2)  # among which each method's is chosen
    gain: Positive | None = 1.4  # of the first knobs; None: as fabricated


TOY = Args(
    learners=("node perturbation", "decorrelated", "greedy", "measured feedback"),
    depths=(1, 2),
    chips=2,
    tuning_chips=1,
    hidden=8,
    epochs=0.3,
    learning_rates=(0.01,),
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    method: AnyLearner = "node perturbation"
    depth: int = 3

    @property
    def name(self) -> str:
        return f"{method_name(self.method)}, {self.depth} deep"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, method, depth) for depth in args.depths for method in args.learners]


def run(trial: Trial) -> Iterator[Row]:
    args, about = trial.args, {"method": method_name(trial.method), "depth": trial.depth}
    data, rates = load_data(args.data), torch.tensor(args.learning_rates)
    first = args.first_identity()
    others = [first + args.chips + k for k in range(args.tuning_chips)]
    if not takes_update(trial.method):  # it has rates of its own
        rates = torch.ones(1)
    search = Training(trial, held_out(data), others * len(rates), rates.repeat_interleave(len(others)))
    search.continue_to(search.steps)
    scores = evaluate(search.wires(), search.data.test).view(len(rates), -1).mean(-1)
    for rate, score in zip(rates.tolist(), scores.tolist(), strict=True):
        yield {"what": "rate", **about, "learning_rate": rate, "accuracy": round(score, 6)}
    best = int(scores.argmax())
    training = Training(trial, data, args.identities(args.chips), rates[best].expand(args.chips))
    yield {"what": "start", **about, **signal_and_noise(training.chip, data.train.x[:512])}
    for moment, step in (("early", -(-training.steps // 10)), ("end", training.steps)):
        training.continue_to(step)
        alignment = training.alignment()
        yield {"what": "alignment", **about, "moment": moment, "step": step, "alignment": alignment}
    yield {
        "what": "end",
        **about,
        "accuracy": [round(a, 6) for a in evaluate(training.wires(), data.test).tolist()],
        "learning_rate": args.learning_rates[best] if takes_update(trial.method) else None,
        "steps": training.steps,
        "layer_reads": sum(training.ledger.reads),
        "access": "x-ray" if trial.method == "exact gradient" else training.access,
        "done": 1.0,
    }


class Training:
    """A fleet taught by one method, each chip at a learning rate of its own."""

    def __init__(self, trial: Trial, data: Dataset, identities: Sequence[int], rates: Tensor) -> None:
        args = trial.args
        self.trial, self.data = trial, data
        self.size = training_size(data, hidden=args.hidden, epochs=args.epochs)
        layers = deep_layers(data, self.size.hidden, trial.depth)
        self.chip = Chip(args.device, layers, identities, noise_seed=args.seed)
        if args.gain is not None:
            self.chip.port().program(random_knobs(self.chip, args.gain, stream(args.seed, "depth", "knobs")))
        self.ledger = Ledger(self.chip.spec)
        self.port = metered(self.chip.port(), self.ledger)
        self.steps = count_trial_steps(trial, data, self.size)
        update = scaled_per_chip(linear_decay(adam(1.0), self.steps), rates)
        self.learner = learner(trial, self.chip, self.size, update, self.steps)
        self.state = self.learner.init(self.chip.spec)
        self.done = 0
        self._batches = draw_batches(data.train, self.size.batch, self.steps, self._generator("data"))
        self._probes = self._generator("probes")

    def _generator(self, what: str) -> Generator:  # every method and depth meets the same examples
        return stream(self.trial.args.seed, "depth", what)

    def continue_to(self, step: int) -> None:
        """Learn up to so many steps in all."""
        while self.done < step:
            self.state, _ = self.learner.step(self.port, next(self._batches), self.state, self._probes)
            self.done += 1

    def wires(self) -> Port:
        """The wires through which the chips are asked, with what the method put around them."""
        if self.trial.method == "decorrelated":
            return gradient_alignment.fully_decorrelated(self.chip.port(), self.state.decorrelators)
        return self.chip.port()

    @property
    def access(self) -> str:
        """The least access to the wires with which the method works, in words."""
        return stated_access(self.learner, self.chip.spec)

    def alignment(self) -> list[float]:
        """The alignment of each chip's estimated gradient with the exact one, over some batches."""
        if self.trial.method == "exact gradient":
            return [1.0] * self.trial.args.chips
        if not takes_update(self.trial.method):  # what it pulses is no gradient
            return []
        estimating = learner(self.trial, self.chip, self.size, sgd(1.0))
        cosines = []
        for batch in draw_batches(self.data.train, self.size.batch, ALIGNED, self._generator("aims")):
            generator = self._generator("aiming")
            estimate = gradient_alignment.estimate(estimating, self.chip.port(), batch, self.state, generator)
            exact = self._exact_gradient(batch)
            cosines.append(gradient_alignment.cosine(estimate[:-1], exact, self.trial.args.chips))
        return [round(a, 4) for a in torch.stack(cosines).mean(0).tolist()]

    def _exact_gradient(self, batch: Batch) -> Knobs:
        """The exact gradient of the method's own objective, at the hidden layers."""
        if self.trial.method in GREEDY:
            head = readout_layer(self.data, self.size.hidden)
            heads = [block.head for block in self.state.blocks[:-1]]
            return gradient_alignment.local_gradient(self.chip, batch, head, heads)
        if self.trial.method == "decorrelated":
            return gradient_alignment.decorrelated_gradient(self.chip, batch, self.state.decorrelators)
        return gradient_alignment.hidden_gradient(self.chip, batch)


def count_probes(trial: Trial, size: TrainingSize) -> int:
    """Probes of a set: `in turn` shares them out between layers, as far as they go."""
    return -(-size.probes // trial.depth) if trial.method == "in turn" else size.probes


def count_trial_steps(trial: Trial, data: Dataset, size: TrainingSize) -> int:
    """Steps that come to as many vectors through layers as the epochs of `plain`."""
    layers, probes = trial.depth + 1, count_probes(trial, size)
    plain = layers * (1 + size.probes)
    cost = layers + probes * sum(range(2, layers + 1)) if trial.method == "in turn" else plain
    return max(1, round(count_steps(data.train, size.batch, size.epochs) * plain / cost))


def learner(
    trial: Trial, chip: Chip, size: TrainingSize, update: Update, steps: int | None = None
) -> Learner:
    """The learner of a trial's method."""
    method, probes = trial.method, count_probes(trial, size)
    if method not in get_args(Layerwise):
        return make_learner(method, Setup(chip, update, probes, steps=steps))
    feedback = FEEDBACK if method == "greedy + learned feedback" else None
    estimator = NodePerturbation(PROBE_SIZE, probes)
    in_turn = method == "in turn"
    descent = Descent(estimator, update, CrossEntropy(), in_turn=in_turn, control_variate=feedback)
    if method == "decorrelated":
        return Decorrelated(descent, DECORRELATION)
    if method == "in turn":
        return descent
    head = dense(size.hidden, chip.spec.layers[-1].features, linear=True)
    return Greedy((*(Block(1, descent, head) for _ in range(trial.depth - 1)), Block(2, descent)))


def table(rows: Sequence[Row]) -> list[Row]:
    ends = [r for r in rows if r["what"] == "end"]
    lines = []
    for end in sorted(ends, key=lambda r: r["depth"]):
        alignments = _alignments(rows, end["method"], end["depth"], "early")
        lines.append(
            {
                "hidden layers": end["depth"],
                "method": end["method"],
                "error %": mean_with_interval([100 - 100 * a for a in end["accuracy"]]),
                "alignment": fixed(fmean(alignments) if alignments else None),
                "rate": short_number(end["learning_rate"]),
                "layer reads": short_number(end["layer_reads"]),
                "access": end["access"],
            }
        )
    return lines


def _alignments(rows: Sequence[Row], method: str, depth: int, moment: str) -> list[float]:
    """Those of the chips at a moment."""
    points = [r for r in rows if r["what"] == "alignment" and (r["method"], r["depth"]) == (method, depth)]
    (alignment,) = [r["alignment"] for r in points if r["moment"] == moment]
    return list(alignment)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    figure, (left, right) = panels(2, width=3.6, height=3.2)
    ends = [r for r in rows if r["what"] == "end"]
    for method, look in looks(r["method"] for r in ends).items():
        points = [r for r in ends if r["method"] == method]
        errors = {r["depth"]: [100 - 100 * a for a in r["accuracy"]] for r in points}
        course(left, errors, label=method, **look)
        for moment, style in (("early", "-"), ("end", ":")) if method != "exact gradient" else ():
            cosines = {r["depth"]: _alignments(rows, method, r["depth"], moment) for r in points}
            course(right, cosines, **{**look, "ls": style})
    left.set(xlabel="hidden layers", ylabel="test error, %", yscale="log")
    right.set(xlabel="hidden layers", ylabel="cosine with the exact gradient")
    right.set(title="early; dotted: at the end")
    legend(figure)
    chips = max((len(r["accuracy"]) for r in ends), default=0)
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}")
    return {"depth": figure}
