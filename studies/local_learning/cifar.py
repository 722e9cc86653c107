"""Convolutional chips learn CIFAR-10 by measurements: from heads, analog or digital, and through mirrors.

Three convolutions (5 x 5 with strides of 2, 3 x 3, 3 x 3), the upper two pooled, all standardized over the
batch, and a read-out of 2 x 2 averages; flips and shifts of 4 pixels; Adam, its rate falling to zero. Ways:

    digital heads      each layer under a linear read-out of its own in digital memory, whose weights tell the
                       gradient at the layer's taps; no probe is sent, and nothing is passed down
    mirrored heads     so too, each read-out on a chip: probes at what drives it teach a mirror of it
    mirrored layers    one loss at the top; every layer but the first has a mirror, taught by probes at what
                       drives it, through which gradients are passed down
    node perturbation  all nodes probed at once, the read-out by its delta rule; normalized by example
    shared feedback    so too, and probes teach feedback that the sites of a cell, one of 4 x 4, share
    exact gradient     by x-ray, which no real hardware allows
    digital network    the same layers without chip or noise, by backpropagation in torch

Pools, standardization and averages are digital, so what is carried back through them is exact; a neuron's
own derivative counts as 1 where its tap is not 0. Read-outs below the top average 4 x 4 cells. With
`--held-out` errors are of a fifth of the training images, by which settings are to be chosen. `--heirs`
teaches so many fresh chips, in the same way and as long (or `--heir-epochs`), by the trained chip's soft
answers alone.

Data: pictures in the folder of a data set, or "cifar10". Where these are a JPEG copy, as ours are, they are
not the original, and the digital network is to be run on the same copy before anything is compared.

Published, under other conditions: 30.68 % by local forward gradients (Ren et al. 2022,
https://arxiv.org/abs/2210.03310), a mixer of patches without noise or mismatch, whose slopes are perturbed
where ours are known of a head or regressed; 19.2 % by self-contrastive forward-forward (Chen et al. 2025,
https://doi.org/10.1038/s41467-025-61037-0), a digital network without labels below its read-out. Ours are
convolutions with flips and shifts on another copy of the data: not the same problem solved better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from time import process_time
from typing import Final, Literal, NamedTuple, Protocol, get_args

from matplotlib.figure import Figure
from torch import Generator, Tensor

from analog import Ideal, Mismatched, stream
from distill import DistillationLoss
from distill.distillation_loss import TeacherTarget, soften
from learners import Batch, CrossEntropy, Loss, adam, linear_decay
from learners.data import Dataset, count_steps, draw_batches, flip_images, held_out, load_data, shift_images

from ..kit.digital.convolutional import ConvolutionalNetwork
from ..kit.recipes.image_learners import TOP_CELLS, ChipMethod, ImageLearner, ImageTask
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import fixed, mean_with_interval, short_number
from ..kit.run.arguments import AnyDevice, SeededChips, WithPrecision
from ..kit.run.ranges import Count, CountOrZero, Positive
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row

Method = Literal[ChipMethod, "digital network"]
METHODS: Final[tuple[Method, ...]] = (*get_args(ChipMethod), "digital network")
STATISTICS: Final = 2000  # training images, by which taps are standardized in use
_HEIRS: Final = 800_000  # from a chip's identity to those of its heirs


@dataclass(frozen=True)
class Args(SeededChips, WithPrecision):
    data: str = "cifar10"  # or a folder of pictures, mnist, digits
    devices: tuple[AnyDevice, ...] = (Ideal(), Mismatched())
    methods: tuple[Method, ...] = METHODS
    chips: Count = 3  # identities, each a trial of its own
    channels: tuple[Count, ...] = (32, 64, 128)  # of each convolution
    stride: Count = 2  # of the first; at 1 it is pooled as the others
    epochs: Positive = 6  # of a training, planned to its end
    batch: Count = 64
    learning_rate: Positive = 3e-3  # of Adam, falling linearly to zero
    shift: CountOrZero = 4  # pixels, each way
    flips: bool = True
    heirs: CountOrZero = 0  # fresh chips taught by each trained one
    heir_epochs: Positive | None = None  # of an heir's teaching; by default as many as its teacher learned
    temperature: Positive = 4.0  # of its answers
    curve: Count = 4  # evaluations of a training, the last at its end
    held_out: bool = False  # judge by a fifth of the training images instead of the test images


TOY = Args(
    data="digits",
    devices=(Mismatched(),),
    chips=1,
    channels=(4, 6),
    epochs=0.3,
    shift=1,
    flips=False,
    heirs=1,
    curve=2,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched()
    method: Method = "digital heads"
    chip: int = 0  # which of the args' chips

    @property
    def name(self) -> str:
        where = "torch" if self.method == "digital network" else reference(self.device)
        return f"{where}, {self.method}, {self.chip}"


def plan(args: Args) -> list[Trial]:
    trials = [
        Trial(args, device, method, chip)
        for method in args.methods
        for device in (args.devices if method != "digital network" else args.devices[:1])
        for chip in range(args.chips)
    ]
    return trials


def run(trial: Trial) -> Iterator[Row]:
    heirs = trial.args.heirs * (trial.method != "digital network")
    teacher = _Training(trial, "chip", CrossEntropy())
    yield from teacher.rows(0, 1 + heirs)
    for number in range(1, 1 + heirs):
        heir = _Training(trial, f"heir {number}", DistillationLoss(trial.args.temperature), teacher)
        yield from heir.rows(number, 1 + heirs)


class _Learns(Protocol):
    """What learns images: a chip with its learner, or a digital network."""

    @property
    def reads(self) -> int: ...
    def step(self, batch: Batch, generator: Generator) -> None: ...
    def predict(self, x: Tensor, known: Tensor) -> Tensor: ...


class _Images(NamedTuple):
    """A data set of images, and by what each plane comes to mean 0 and variance 1."""

    data: Dataset
    mean: Tensor  # (planes, 1)
    spread: Tensor  # (planes, 1)

    def center(self, x: Tensor) -> Tensor:
        """Images (images, features) with planes of mean 0 and variance 1 over all training images."""
        return ((x.unflatten(-1, (len(self.mean), -1)) - self.mean) / self.spread).flatten(1)


@lru_cache(maxsize=1)  # most of a gigabyte
def _images(name: str, only_held_out: bool) -> _Images:
    data = load_data(name)
    data = held_out(data) if only_held_out else data
    some = _every_so_many(data.train.x, 10_000).unflatten(-1, (data.shape[0], -1))
    return _Images(data, some.mean((0, 2))[:, None], some.std((0, 2))[:, None])


class _Training:
    """One training of a chip, from labels or from a teacher's answers, or of a digital network.

    Args:
        trial: what is trained.
        who: "chip", or which heir of it.
        loss: of the outputs.
        teacher: whose answers it is taught by; None: by labels.
    """

    def __init__(self, trial: Trial, who: str, loss: Loss, teacher: "_Training | None" = None) -> None:
        args, self.images = trial.args, _images(trial.args.data, trial.args.held_out)
        self.trial, self.who, self.teacher = trial, who, teacher
        self.epochs = args.epochs if teacher is None else args.heir_epochs or args.epochs
        data, self.steps = self.images.data, count_steps(self.images.data.train, args.batch, self.epochs)
        task = ImageTask(_image(data), data.classes, args.channels, args.stride)
        self.identity = args.first_identity() + trial.chip + (0 if teacher is None else _heir_identity(who))
        self.seconds = 0.0  # of this process, while it learned
        self._known = self.images.center(_every_so_many(data.train.x, STATISTICS))
        if trial.method == "digital network":
            generator = stream(self.identity, "cifar", "weights")
            self.learner: _Learns = ConvolutionalNetwork(
                task.wiring(trial.method), TOP_CELLS, data.classes, self.steps, args.learning_rate, generator
            )
        else:
            update = linear_decay(adam(args.learning_rate), self.steps)
            precision = args.product_precision
            self.learner = ImageLearner(
                task, trial.method, trial.device, self.identity, args.seed, update, loss, precision
            )

    def answers(self, x: Tensor) -> Tensor:
        """The outputs (images, classes) for images (images, features) whose planes are centered."""
        return self.learner.predict(x, self._known)

    def rows(self, number: int, trainings: int) -> Iterator[Row]:
        """Learn, and say now and then how many errors are made.

        Args:
            number, trainings: which training of how many this is.
        """
        args = self.trial.args
        probes, lots, order = (
            stream(self.identity, "cifar", str(args.seed), what) for what in ("probes", "lots", "data")
        )
        for step, batch in enumerate(draw_batches(self.images.data.train, args.batch, self.steps, order), 1):
            began = process_time()
            self.learner.step(self._lesson(batch, lots), probes)
            self.seconds += process_time() - began
            if args.curve * step // self.steps > args.curve * (step - 1) // self.steps:
                done = step / self.steps
                yield self._row(done) | {"done": (number + done) / trainings}

    def _lesson(self, batch: Batch, lots: Generator) -> Batch:
        """The batch as it is learnt: centered, mirrored and shifted, and answered by the teacher if any."""
        args, image = self.trial.args, _image(self.images.data)
        batch = batch._replace(x=self.images.center(batch.x))
        x = flip_images(batch.x, image, lots) if args.flips else batch.x
        x = shift_images(x, image, args.shift, lots)
        if self.teacher is None:
            return batch._replace(x=x)
        return Batch(x, TeacherTarget(soften(self.teacher.answers(x), args.temperature)))

    def _row(self, done: float) -> Row:
        test = self.images.data.test
        pieces = zip(test.x.split(2500), test.target.split(2500), strict=True)
        wrong = sum(int((self.answers(self.images.center(x)).argmax(-1) != y).sum()) for x, y in pieces)
        return {
            "what": "end" if done == 1 else "curve",
            "who": self.who,
            "device": reference(self.trial.device),
            "method": self.trial.method,
            "chip": self.trial.chip,
            "epochs": round(done * self.epochs, 4),
            "error": wrong / len(test.x),
            "reads": self.learner.reads,
            "cpu_seconds": round(self.seconds, 1),
        }


def _every_so_many(x: Tensor, count: int) -> Tensor:
    """About so many of the images (images, features), evenly spread: pictures come class by class."""
    return x[:: max(1, len(x) // count)]


def _heir_identity(who: str) -> int:
    return _HEIRS + 1000 * int(who.split()[-1])


def _image(data: Dataset) -> tuple[int, int, int]:
    planes, height, width = data.shape
    return planes, height, width


def table(rows: Sequence[Row]) -> list[Row]:
    ends = [r for r in rows if r["what"] == "end"]
    lines = []
    for device, method, heir in dict.fromkeys((r["device"], r["method"], r["who"] != "chip") for r in ends):
        own = [r for r in ends if (r["device"], r["method"], r["who"] != "chip") == (device, method, heir)]
        lines.append(
            {
                "device": "none" if method == "digital network" else short_reference(device),
                "method": f"{method}, heirs" if heir else method,
                "error %": mean_with_interval([100 * r["error"] for r in own]),
                "each": " ".join(fixed(100 * r["error"]) for r in own),
                "epochs": short_number(own[0]["epochs"]),
                "reads": short_number(max(r["reads"] for r in own)),
                "CPU s": short_number(sum(r["cpu_seconds"] for r in own) / len(own)),
            }
        )
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    of_chips = [r for r in rows if r["who"] == "chip"]
    devices = list(dict.fromkeys(r["device"] for r in of_chips))
    figure, axes = panels(len(devices), width=3.6, height=3.2, sharey=True)
    look = looks(r["method"] for r in of_chips)
    for axis, device in zip(axes, devices, strict=False):
        for method in dict.fromkeys(r["method"] for r in of_chips if r["device"] == device):
            errors: dict[float, list[float]] = {}
            for row in of_chips:
                if (row["device"], row["method"]) == (device, method):
                    errors.setdefault(row["epochs"], []).append(100 * row["error"])
            course(axis, errors, label=method, **look[method])
        axis.set(title=short_reference(device), yscale="log")
    for axis in axes:
        axis.set(xlabel="passes over the training images", ylabel="test error, %")
    legend(figure)
    chips = len({r["chip"] for r in of_chips})
    note(figure, f"mean of {chips} chips; bands: {INTERVAL}")
    return {"cifar": figure}
