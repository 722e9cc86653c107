"""On noisy chips LocoProp by node perturbation beats plain node perturbation at equal reads.

An autoencoder of images (digits, 64-32-8-32-64, linear code, binary cross-entropy summed over pixels)
learns in place on a fleet of chips. Both learners send the same probes from the same estimator and know the
gradient at the read-out alike; LocoProp spends part of its reads on inner steps, in which every layer
is driven alone with the inputs it had and its own output is read. Every vector through a layer counts.
Rates, LocoProp's gamma and whether drives wait until they are worth a write are chosen among eight
settings for either learner, by the loss of other chips on a fifth of the training images. The excess is
over the entropy of the pixels, which no answer can go below.

"Node perturbation" is plain: neither learner is given or learns a backward model, but with `--feedback`,
which both have then. `ahead` is what LocoProp gains on the same chip, paired; it sends more pulses. No
published LocoProp on a chip was found; the paper's is digital (see `autoencoder`).

Open questions: how many inner steps are worth their reads where probes are dearer or cheaper.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from matplotlib.figure import Figure
from torch import Tensor
from torch.special import entr

from analog import Chip, Ledger, Mismatched, metered, stream
from analog.devices import LinearECRAM, SoftBoundsRRAM, UnknownNeurons
from learners import Batch, BinaryCrossEntropy, Descent, NodePerturbation, accumulate, adam, fit, linear_decay
from learners.data import Dataset, draw_batches, held_out, load_data
from learners.evaluation import predict
from learners.learner import Learner
from learners.local import LocoProp, PerturbedNodeGradients, identity, sigmoid
from learners.recipes import FEEDBACK, PROBE_SIZE

from ..kit.digital.autoencoders import layers
from ..kit.recipes.published_learner import WRITE_THRESHOLD
from ..kit.recipes.trainings import log_spaced
from ..kit.report.figures import legend, looks, note, panels
from ..kit.report.tables import low_high, mean_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, NonNegative, Positive
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row

Method = Literal["node perturbation", "LocoProp"]
LOSS = BinaryCrossEntropy()
ELSEWHERE = 1000  # how far away the chips are that hyper-parameters are chosen on


class Hyperparameters(NamedTuple):
    """The hyper-parameters that are chosen for a method on a device."""

    learning_rate: float
    write_threshold: float | None  # full scale, what drives come to before they are sent
    gamma: float | None = None


CANDIDATES: dict[Method, list[Hyperparameters]] = {
    "node perturbation": [
        Hyperparameters(*each)
        for each in itertools.product((5e-3, 1e-2, 2e-2, 4e-2), (None, WRITE_THRESHOLD))
    ],
    "LocoProp": [
        Hyperparameters(*each)
        for each in itertools.product((1e-2, 2e-2), (None, WRITE_THRESHOLD), (0.1, 0.3))
    ],
}


@dataclass(frozen=True)
class Args(SeededChips):
    devices: tuple[AnyDevice, ...] = (Mismatched(), SoftBoundsRRAM(), LinearECRAM(), UnknownNeurons())
    methods: tuple[Method, ...] = get_args(Method)
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    sizes: tuple[Count, ...] = (32, 8)  # of the encoder; the decoder mirrors it
    chips: Count = 5  # identities, a fleet
    budget: Count = 200_000  # vectors through every layer of a chip
    batch: Count = 64
    probes: Count = 4  # measured directions a step
    steps: Count = 4  # inner steps of LocoProp; every one but the first is read
    feedback: bool = False  # both learners predict gradients by learned feedback
    learning_rate: Positive | None = None  # by default chosen, with gamma and write threshold
    gamma: Positive = 0.1  # of LocoProp, where a rate is given
    write_threshold: NonNegative | None = None  # full scale, where a rate is given; none by default


TOY = Args(devices=(SoftBoundsRRAM(),), sizes=(6, 3), chips=2, budget=1000)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched()
    method: Method = "LocoProp"

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, {self.method}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, d, m) for d in args.devices for m in args.methods]


def run(trial: Trial) -> Iterator[Row]:
    data, hyperparameters = load_data(trial.args.data), choose_hyperparameters(trial)
    floor = float((entr(data.test.x) + entr(1 - data.test.x)).sum(-1).mean())
    about: Row = {"device": reference(trial.device), "method": trial.method, **hyperparameters._asdict()}
    for done, losses, ledger in train(trial, hyperparameters, data, trial.args.first_identity()):
        yield {
            "what": "curve",
            **about,
            "reads": max(ledger.reads),
            "loss": [round(v, 4) for v in losses.tolist()],  # of each chip, on test images
            "floor": round(floor, 4),
            "pulses_per_cell": float(ledger.pulses_per_cell.mean()),
            "done": round(done, 4),
        }


@lru_cache
def choose_hyperparameters(trial: Trial) -> Hyperparameters:
    """Those asked for, or those whose chips have the least held-out loss at the end."""
    args = trial.args
    if args.learning_rate is not None:
        gamma = args.gamma if trial.method == "LocoProp" else None
        return Hyperparameters(args.learning_rate, args.write_threshold, gamma)
    data = held_out(load_data(args.data))

    def final_loss(candidate: Hyperparameters) -> float:
        *_, (_, losses, _) = train(trial, candidate, data, args.first_identity() + ELSEWHERE)
        mean = float(losses.mean())
        return mean if mean == mean else float("inf")

    return min(CANDIDATES[trial.method], key=final_loss)


def train(
    trial: Trial, hyperparameters: Hyperparameters, data: Dataset, first: int
) -> Iterator[tuple[float, Tensor, Ledger]]:
    """Learn within the budget, pausing now and then.

    Args:
        first: identity of the first chip.

    Yields:
        the share done, the chips' test losses (chips,), and what it cost.
    """
    args, identities = trial.args, range(first, first + trial.args.chips)
    chip = Chip(trial.device, layers(args.sizes, data.features), identities, noise_seed=args.seed)
    port, ledger = chip.port(), Ledger(chip.spec)
    reads = args.batch * (1 + args.probes + (args.steps - 1 if trial.method == "LocoProp" else 0))
    count = max(1, args.budget // reads)
    order, probes = (stream(args.seed, "local targets", what) for what in ("data", "probes"))
    batches = draw_batches(Batch(data.train.x, data.train.x), args.batch, count, order)
    learning = fit(_learner(trial, hyperparameters, count), metered(port, ledger), batches, probes)
    for number in log_spaced(learning, count):
        yield number / count, LOSS(predict(port, data.test.x), data.test.x).mean(-1), ledger


def _learner(trial: Trial, hyperparameters: Hyperparameters, count: int) -> Learner:
    args, (learning_rate, write_threshold, gamma) = trial.args, hyperparameters
    estimator = NodePerturbation(PROBE_SIZE, args.probes)
    feedback = FEEDBACK if args.feedback else None
    inner = args.steps if gamma is not None else 1
    update = linear_decay(adam(learning_rate), count * inner)
    if write_threshold is not None:
        update = accumulate(update, write_threshold)
    if gamma is None:
        return Descent(estimator, update, LOSS, control_variate=feedback)
    hidden = 2 * len(args.sizes) - 1
    transfer = ((identity.forward,) * hidden) + (sigmoid.forward,)
    return LocoProp(PerturbedNodeGradients(estimator, True, feedback), update, LOSS, gamma, inner, transfer)


def table(rows: Sequence[Row]) -> list[Row]:
    lines = []
    for device in dict.fromkeys(r["device"] for r in rows):
        ends = {r["method"]: r for r in rows if r["device"] == device}  # the last of each
        plain = ends.get("node perturbation")
        lines += [_line(end, None if end is plain else plain) for end in ends.values()]
    return lines


def _line(end: Row, plain: Row | None) -> Row:
    """The table's line of a method, beside node perturbation on the same chips."""
    excess = [loss - end["floor"] for loss in end["loss"]]
    pairs = zip(plain["loss"], end["loss"], strict=True) if plain else ()
    ahead = [before - after for before, after in pairs]
    return {
        "device": short_reference(end["device"]),
        "method": end["method"],
        "chips": len(excess),
        "excess nats": mean_with_interval(excess, 3),
        "from to": low_high(excess, 3),
        "ahead": mean_with_interval(ahead, 3),
        "chips ahead": f"{sum(a > 0 for a in ahead)}" if ahead else "",
        "learning rate": end["learning_rate"],
        "gamma": end["gamma"] or "",
        "write threshold": end["write_threshold"] or "",
        "reads": short_number(end["reads"], 3),
        "pulses/cell": short_number(end["pulses_per_cell"], 3),
    }


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    devices = list(dict.fromkeys(r["device"] for r in rows))
    figure, axes = panels(len(devices), width=3.4, height=3.2, sharey=True)
    look = looks(get_args(Method))
    for axis, device in zip(axes, devices, strict=False):
        for method in dict.fromkeys(r["method"] for r in rows if r["device"] == device):
            points = [r for r in rows if r["device"] == device and r["method"] == method]
            for chip in range(len(points[0]["loss"])):
                losses = [p["loss"][chip] - p["floor"] for p in points]
                label = None if chip else method
                axis.plot([p["reads"] for p in points], losses, label=label, **look[method])
        axis.set(title=short_reference(device), xscale="log", yscale="log")
    for axis in axes:
        axis.set(xlabel="reads of each chip", ylabel="test loss over the floor, nats an image")
    legend(figure)
    note(figure, "a line for each chip")
    return {"local_targets": figure}
