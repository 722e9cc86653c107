"""Forward-forward teaches deep chips by two passes and no way back, knowing little of their neurons.

Every layer learns by itself to be more active for real images than for fakes; chips differ in what they are
made of, methods in what is real and in what is known: `labels` (images with their label in the first pixels
against wrong labels, chosen by the network itself; rectifiers' derivatives taken as 1), `labels, derivatives
measured` (one probe more a step tells every neuron's derivative), `labels, goodness perturbed` (one loss for
all neurons of a layer, four probes), `labels, competition` (one pass and no fakes: each class has a share of
a layer's neurons, which is to be the most active one), `hybrids` (no labels: images against blotwise mixtures
of two; then a linear read-out) and `self-contrast` (so too, images against means of two; Chen et al. 2025,
https://doi.org/10.1038/s41467-025-61037-0, 1.3 % on MNIST). Two errors: by goodness, a run for each label, or
one where classes compete (the published supervised figure), and by a linear read-out of the normalized
activities of all layers but the first (of all, by self-contrast), one run (the published unsupervised one,
and how the public re-implementations are scored).

Published (Hinton, https://arxiv.org/abs/2212.13345), MNIST, four layers of 2,000: 1.36 % by labels (60
epochs), 1.37 % by hybrids (100 epochs), 0.64 % with jitter (500 epochs); public re-implementations 1.45 and
6.84 %. On chips: arrays of 8,064 HfOx cells, single pulses, four classes, forward-forward 89.5 %, a
competitive rule of one pass 89.6 %, backprop 90.0 % right (https://arxiv.org/abs/2601.09903). These networks,
data and epochs are not ours: four layers of 2,000 there, three of 800 here, and on chips other classes.

On pairs that only reset, their numbers guessed (`analog.devices:ResetOnlyRRAM`, 5 chips), the digits 0 to 3
(`--data studies.kit.data.four_classes:digits --layers 2 --width 32`, 3,136 pairs) are 93.2 +- 3.9 % right by
forward-forward, 98.2 +- 0.9 by competition; by a smaller network with a read-out (`in_place --hidden 32`,
2,212 pairs) 99.0 +- 0.4 by the exact gradient, 99.1 +- 0.4 by learned feedback.

What was chosen how: sizes, rates and thresholds by short trainings on held-out parts of the training images.
Shifts are the published jitter. Short trainings showed no gain by them, so that they are off by default and
whether they pay is measured at full length on held-out images: `--held-out --shifts 0 1` keeps a fifth of the
training images from all and judges by those; only what wins there may be quoted on test images.

Open questions: hybrids and cells that blur on MNIST; why hybrids fail on cells that blur when written.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Final, Literal, NamedTuple, get_args

import torch
from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Chip, Ideal, Ledger, Mismatched, dense, metered, stream
from analog.devices import SoftBoundsRRAM, UnknownNeurons
from learners import (
    Batch,
    CrossEntropy,
    Descent,
    NodePerturbation,
    Step,
    Update,
    accumulate,
    adam,
    linear_decay,
    momentum,
)
from learners.data import Dataset, batches, count_steps, held_out, load_data
from learners.learner import Learner
from learners.local import (
    Block,
    ClassGoodness,
    ForwardForward,
    GoodnessLoss,
    Greedy,
    Hebbian,
    HybridImages,
    MixedImages,
    Negatives,
    WrongLabels,
    class_goodness,
    embed_neutral_label,
    label_goodness,
    normalize,
    readout_features,
    with_normalization,
)
from learners.recipes import PROBE_SIZE

from ..kit.recipes.published_learner import WRITE_THRESHOLD
from ..kit.recipes.training_size import is_large, size_overrides
from ..kit.report.figures import GRAY, INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import percent_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, CountOrZero, Positive, Range
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row

Method = Literal[
    "labels",
    "labels, derivatives measured",
    "labels, goodness perturbed",
    "labels, competition",
    "hybrids",
    "self-contrast",
]


class Size(NamedTuple):
    """Sizes that suit a data set, chosen on held-out parts of the training data."""

    layers: int
    width: int
    batch: int
    epochs: float
    learning_rate: float


SMALL = Size(layers=3, width=100, batch=64, epochs=40, learning_rate=3e-3)
LARGE = Size(layers=3, width=800, batch=256, epochs=30, learning_rate=2e-3)
BRIGHTNESS = 2.0  # of the pixel that says the label
LOSS = GoodnessLoss(threshold=1.0, sharpness=30.0)
CONTRAST = GoodnessLoss(threshold=1.0, sharpness=5.0)  # of an image and mixtures
BLURRED = GoodnessLoss(threshold=1.0, sharpness=10.0)  # where every write blurs
MOMENTUM_LEARNING_RATE = 3e-4  # there, for each neuron of a layer: the mean's gradient is shared among them
READOUT_LEARNING_RATE = 3e-3
UNLABELED: Final[dict[str, Negatives]] = {"hybrids": HybridImages(), "self-contrast": MixedImages()}


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    devices: tuple[AnyDevice, ...] = (Ideal(), Mismatched(), SoftBoundsRRAM(), UnknownNeurons())
    methods: tuple[Method, ...] = get_args(Method)  # of each device
    chips: Count = 5  # identities, as one fleet
    layers: Annotated[int, Range(2)] | None = None  # by default 3
    width: Count | None = None  # neurons a layer; by default 100, or 800 on large data
    epochs: Positive | None = None  # by default 40, or 30 on large data
    # pixels by which the images of a batch are moved at most, another way each batch; each a trial
    shifts: tuple[CountOrZero, ...] = (0,)
    held_out: bool = False  # judge by a fifth of the training images, kept from all, and not by the test's


TOY = Args(devices=(SoftBoundsRRAM(), UnknownNeurons()), layers=2, width=10, epochs=0.3, shifts=(1,), chips=2)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Ideal()
    method: Method = "labels"
    shifts: int = 0

    @property
    def name(self) -> str:
        shifted = f", shifts {self.shifts}" if self.shifts else ""
        return f"{reference(self.device)}, {self.method}{shifted}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, d, m, s) for d in args.devices for m in args.methods for s in args.shifts]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = _size(args, data)
    data = held_out(data) if args.held_out else data
    training = Training(trial, data, size)
    about = {"device": reference(trial.device), "method": trial.method, "shifts": trial.shifts}
    about |= {"measured on": "held-out images" if args.held_out else "test images"}
    total = count_steps(data.train, size.batch, size.epochs)
    pauses = {max(1, round(total * share)) for share in POINTS}
    for number, _ in enumerate(training.steps(), 1):
        if number in pauses:
            epoch = round(number * size.epochs / total, 4)
            row = {"what": "curve", **about, "epoch": epoch, **training.errors(data.test)}
            yield row | {"done": round(number / total, 4)}
    yield {
        "what": "end",
        **about,
        **training.errors(data.test),
        "knobs": sum(la.rows * la.cols for la in training.chip.spec.layers),
        "reads": max(training.ledger.reads),
    }


POINTS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # of the training, where curves are taken


def _size(args: Args, data: Dataset) -> Size:
    overrides = size_overrides(layers=args.layers, width=args.width, epochs=args.epochs)
    return (LARGE if is_large(data) else SMALL)._replace(**overrides)


def shift_images(x: Tensor, largest: int, generator: Generator) -> Tensor:
    """Images (images, pixels) shifted together by lot in both directions; what leaves comes in again."""
    if not largest:
        return x
    side = math.isqrt(x.shape[-1])
    by = torch.randint(-largest, largest + 1, (2,), generator=generator).tolist()
    return x.unflatten(-1, (side, side)).roll(by, (-2, -1)).flatten(-2)


class Training:
    """A fleet of chips, who teaches it, and the read-out that is kept beside it in digital memory."""

    def __init__(self, trial: Trial, data: Dataset, size: Size) -> None:
        self.trial, self.data, self.size = trial, data, size
        widths = (data.features, *(size.width,) * size.layers)
        layers = tuple(dense(a, b) for a, b in pairwise(widths))
        self.chip = Chip(
            trial.device, layers, trial.args.identities(trial.args.chips), noise_seed=trial.args.seed
        )
        self.ledger = Ledger(self.chip.spec)
        self.port = self.chip.port()
        counted = metered(self.port, self.ledger).measure
        self.wires = self.port._replace(measure=counted)  # pulses are not booked: millions of cells a step
        readout_update = self._with_decay(adam(READOUT_LEARNING_RATE, beta2=0.99))
        self.readout_learner = Descent(NodePerturbation(1.0), readout_update, CrossEntropy())
        self.wrong_labels = WrongLabels(data.classes, BRIGHTNESS, self.readout_learner, self.skipped)
        self.readout = self.wrong_labels.top(self.chip.spec)

    @property
    def competition(self) -> ClassGoodness | None:
        """The loss of each layer where classes compete."""
        competes = self.trial.method == "labels, competition"
        return ClassGoodness(self.data.classes) if competes else None

    @property
    def skipped(self) -> int:
        """Lowest layers that the read-out does not see."""
        return 0 if self.trial.method == "self-contrast" else 1

    @property
    def plain(self) -> bool:
        """Whether no label is among the pixels."""
        return self.competition is not None or self.trial.method in UNLABELED

    def steps(self) -> Iterator[Step]:
        """Learn; after each step the read-out is up to date."""
        args, readout_learner, learner = self.trial.args, self.readout_learner, self._learner()
        state, readout_state = learner.init(self.chip.spec), readout_learner.init(self.readout.spec)
        order, probes = (stream(args.seed, "forward_forward", what) for what in ("data", "probes"))
        for images in batches(self.data.train, self.size.batch, self.size.epochs, order):
            x = shift_images(images.x, self.trial.shifts, order)
            batch = images._replace(x=x if self.competition is None else normalize(x))
            state, step = learner.step(self.wires, batch, state, probes)
            if self.plain:
                reals = [tap[..., : len(batch.x), :] for tap in step.baseline.taps]
                features = batch._replace(x=readout_features(reals, self.skipped))
                readout_state, _ = readout_learner.step(self.readout.port(), features, readout_state, probes)
            else:
                self.readout = self.wrong_labels.top(self.chip.spec, state.negatives.readout)
            yield step

    def errors(self, data: Batch) -> Row:
        """Shares of examples named wrongly, of each chip; by goodness none without labels."""
        by_readout = self._error_rates(self._readout_scores, data)  # read first, as noise is drawn in order
        by_goodness = (
            None if self.trial.method in UNLABELED else self._error_rates(self._label_goodness, data)
        )
        return {"goodness": by_goodness, "readout": by_readout}

    def _error_rates(self, scores: Callable[[Tensor], Tensor], data: Batch) -> list[float]:
        classes = torch.cat([scores(x).argmax(-1) for x in data.x.split(1000)], -1)
        return [round(v, 6) for v in (classes != data.target).double().mean(-1).tolist()]

    def _label_goodness(self, x: Tensor) -> Tensor:
        if self.competition is not None:
            return class_goodness(self.port, x, self.competition)
        return label_goodness(self.port, x, self.data.classes, BRIGHTNESS)

    def _readout_scores(self, x: Tensor) -> Tensor:
        images = x if self.plain else embed_neutral_label(x, self.data.classes, BRIGHTNESS)
        taps = with_normalization(self.port).measure(normalize(images)).taps
        return self.readout.port().measure(readout_features(taps, self.skipped)).out

    def _with_decay(self, update: Update) -> Update:
        """The same update, its rate falling linearly to zero over the whole training."""
        return linear_decay(update, count_steps(self.data.train, self.size.batch, self.size.epochs))

    def _learner(self) -> Learner:
        """Who teaches all layers."""
        layer, layers = self._layer_learner(), self.size.layers
        if self.competition is not None:
            return Greedy((Block(1, layer, interlayer=normalize),) * layers)
        negatives = UNLABELED.get(self.trial.method, self.wrong_labels)
        return ForwardForward((layer,) * layers, negatives)

    def _layer_learner(self) -> Learner:
        loss = CONTRAST if self.trial.method == "self-contrast" else LOSS
        update = self._with_decay(adam(self.size.learning_rate, beta2=0.99))
        if self.trial.device.costs.step is not None:  # moves by steps: Adam would blur idle cells too
            with_momentum = momentum(MOMENTUM_LEARNING_RATE * self.size.width)
            update, loss = accumulate(self._with_decay(with_momentum), WRITE_THRESHOLD), BLURRED
        if self.trial.method == "labels, goodness perturbed":
            return Descent(NodePerturbation(PROBE_SIZE, 4, mask=False), update, loss, delta_rule=False)
        measured = self.trial.method == "labels, derivatives measured"
        return Hebbian(update, self.competition or loss, PROBE_SIZE if measured else None)


def table(rows: Sequence[Row]) -> list[Row]:
    return [
        {
            "device": end["device"].rpartition(":")[2],
            "method": end["method"],
            "shifts": end["shifts"],
            "measured on": end["measured on"],
            "chips": len(end["readout"]),
            "error % by goodness": percent_with_interval(end["goodness"] or ()),
            "by read-out": percent_with_interval(end["readout"]),
            "knobs": short_number(end["knobs"], 3),
            "reads": short_number(end["reads"]),
        }
        for end in rows
        if end["what"] == "end"
    ]


PUBLISHED = (1.36, 1.45, 6.84)  # %, MNIST: Hinton 2022, and public re-implementations


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    curves = [r for r in rows if r["what"] == "curve"]
    devices = list(dict.fromkeys(r["device"] for r in curves))
    figure, axes = panels(len(devices), width=3.6, height=3.2, sharey=True)
    look = looks((r["method"], r["shifts"]) for r in curves)
    for axis, device in zip(axes, devices, strict=False):
        for number, error in enumerate(PUBLISHED):
            label = None if number else "published, MNIST"
            axis.axhline(error, color=GRAY, lw=0.8, ls="-.", zorder=0, label=label)
        of_device = [r for r in curves if r["device"] == device]
        for method, shifts in dict.fromkeys((r["method"], r["shifts"]) for r in of_device):
            points = [r for r in of_device if (r["method"], r["shifts"]) == (method, shifts)]
            label, shown = f"{method}, shifts {shifts}" if shifts else method, look[method, shifts]
            by_readout = {p["epoch"]: [100 * e for e in p["readout"]] for p in points}
            course(axis, by_readout, label=label, **shown)
            by_goodness = {p["epoch"]: [100 * e for e in p["goodness"] or ()] for p in points}
            course(axis, by_goodness, **{**shown, "ls": ":"}, label=f"{label}, by goodness")
        axis.set(title=short_reference(device), xscale="log", yscale="log")
    for axis in axes:
        axis.set(xlabel="epochs", ylabel="error, %")
    legend(figure)
    chips = max((len(r["readout"]) for r in curves), default=0)
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}; on {curves[0]['measured on'] if curves else ''}")
    return {"forward_forward": figure}
