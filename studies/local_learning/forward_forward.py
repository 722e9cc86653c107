"""Forward-forward teaches deep chips by two passes and no way back, knowing little of their neurons.

Every layer learns by itself to be more active for real images than for fakes; chips differ in what they are
made of, methods in what is real and in what is known: `labels` (images with their label in the first pixels
against wrong labels, chosen by the network itself; rectifiers' derivatives taken as 1), `labels, derivatives
measured` (one probe more a step tells every neuron's derivative), `labels, goodness perturbed` (one loss for
all neurons of a layer, four probes), `labels, competition` (one pass and no fakes: each class has a share of
a layer's neurons, which is to be the most active one), `hybrids` (no labels: images against blotwise mixtures
of two; then a linear read-out) and `self-contrast` (so too, images against means of two; linear neurons,
rectified digitally; what a layer hands on is what rises above its mean; Chen et al. 2025,
https://doi.org/10.1038/s41467-025-61037-0, 1.3 % on MNIST). Two errors: by goodness, a run for each label, or
one where classes compete (the published supervised figure), and by a linear read-out of the normalized
activities of all layers but the first (of all, by self-contrast), one run (the published unsupervised one,
and how the public re-implementations are scored); where layers know no labels it learns on after them.

Published (Hinton, https://arxiv.org/abs/2212.13345), MNIST, four layers of 2,000: 1.36 % by labels (60
epochs), 1.37 % by hybrids (100 epochs), 0.64 % with jitter (500 epochs); public re-implementations 1.45 and
6.84 %. On chips: arrays of 8,064 HfOx cells, single pulses, four classes, forward-forward 89.5 %, a
competitive rule of one pass 89.6 %, backprop 90.0 % right (https://arxiv.org/abs/2601.09903). These networks,
data and epochs are not ours: four layers of 2,000 there, three of 800 here, and on chips other classes.

On pairs that only reset, their numbers guessed (`analog.devices:ResetOnlyRRAM`, 5 chips), the digits 0 to 3
(`--data studies.kit.data.four_classes:digits --layers 2 --width 32`, 3,136 pairs) are 93.2 +- 3.9 % right by
forward-forward, 98.2 +- 0.9 by competition; by a smaller network with a read-out (`in_place --hidden 32`,
2,212 pairs) 99.0 +- 0.4 by the exact gradient, 99.1 +- 0.4 by learned feedback.

Self-contrast, MNIST, held-out images, one ideal chip: one layer of 2,000 rectifying neurons 2.24 % after 10
epochs; two layers of 1,000 linear ones whose triangles are handed on 1.93 after 4, of 2,000 1.59 after 10
(--layers 2 --width 2000 --epochs 10 --shifts 2; on test images, 3 chips, 1.66 +- 0.07). Rectified before the
triangle, two layers of a digital network of 1,000 gave 2.93 instead of 1.90: what stays below 0 tells much.

What was chosen how: sizes, rates and thresholds by short trainings on held-out parts of the training images.
Shifts are the published jitter. Short trainings showed no gain by them, so that they are off by default and
whether they pay is measured at full length on held-out images: `--held-out --shifts 0 1` keeps a fifth of the
training images from all and judges by those; only what wins there may be quoted on test images.

Open questions: hybrids and cells that blur on MNIST; why hybrids fail on cells that blur when written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, get_args

from matplotlib.figure import Figure

from analog import Ideal, Mismatched
from analog.devices import SoftBoundsRRAM, UnknownNeurons
from learners.data import Dataset, count_steps, held_out, load_data

from ..kit.recipes.training_size import is_large, size_overrides
from ..kit.report.figures import GRAY, INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import percent_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, CountOrZero, Positive, Range
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row
from .forward_forward_training import Method, Size, Training

SMALL = Size(layers=3, width=100, batch=64, epochs=40, learning_rate=3e-3)
LARGE = Size(layers=3, width=800, batch=256, epochs=30, learning_rate=2e-3)


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
    chips = args.identities(args.chips)
    training = Training(trial.method, trial.device, chips, data, size, trial.shifts, args.seed)
    about = {"device": reference(trial.device), "method": trial.method, "shifts": trial.shifts}
    about |= {"measured on": "held-out images" if args.held_out else "test images"}
    total = count_steps(data.train, size.batch, size.epochs)
    pauses = {max(1, round(total * share)) for share in POINTS}
    for number, _ in enumerate(training.steps(), 1):
        if number in pauses:
            epoch = round(number * size.epochs / total, 4)
            row = {"what": "curve", **about, "epoch": epoch, **training.errors(data.test)}
            yield row | {"done": round(number / total, 4)}
    training.settle_readout()
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
