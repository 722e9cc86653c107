"""Which learner for which hardware: each tuned by the same eight tries, on every device, at equal cost.

Every learner trains the same chips from the same batches until it has driven so many vectors through each
chip, whatever a step of it takes. Accuracy within a smaller budget of pulses or joules is read off the same
curve; then a day passes, and the chips are judged again. Ranks are by the mean over chips, one for each
column, the exact gradient by x-ray left out, which no real hardware allows. What could not be run has a line
that says why: the wires do not show what the learner needs (`--access`, `--no-node-probes`), or it does not
fit the device.

A learner's settings are chosen once for each class of device, on other chips of one device of the class
(`--tuned-on`), by the worst chip's accuracy on held-out training data, with eight tries: of the learning rate
of Adam, which falls to zero over the training; of how far the learner perturbs; and of whether drives are
owed until a write is worth what it blurs. Classes are `smooth`, `pulsed` (finer steps of one size), `coarse`
(cells hold fewer than 128 weights) and `relaxing`. Other devices of the class take these settings as they
are.

A learner of one's own is tuned in the same way, and its row stands beside those of the archive:

    python -m studies league --learners "mine:MyLearner" --devices mine:Memristor

Names are those of `studies.kit.recipes.methods`, ours and alternatives of the literature. What else is named
is called with its arguments and then with the loss of the task (see there). Data of your own are a folder or
`module:attribute`. Where targets are values, as in `--data friedman1`, accuracy is the share of their
variance that a chip explains.

Published: nothing at equal cost over several devices that we know of. Skalli et al. (2025),
https://arxiv.org/abs/2503.16943, compare five methods on one laser network.

Open questions: with rates that fall over the whole training, what a learner would reach in a smaller budget
by falling sooner is not read off its curve.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Literal

from matplotlib.figure import Figure

from analog import Chip, Dead, Mismatched, Port
from analog.access import Access, NoAccess
from analog.devices import ZOO, Hopfield, LinearECRAM, Resistive, SoftBoundsRRAM
from analog.wires import withheld
from learners import CrossEntropy, SquaredError
from learners.data import Dataset, load_data

from ..kit.recipes.equal_reads import Settings, accuracy_within, scores
from ..kit.recipes.methods import NAMES, AnyLearner, default_size, method_name, takes_update
from ..kit.recipes.published_learner import WRITE_THRESHOLD
from ..kit.recipes.technologies import DeviceClass, device_class, output_gain, suitable_layers, suitable_loss
from ..kit.recipes.training_size import training_size
from ..kit.recipes.tuned import TRIES, Comparison
from ..kit.report.board import board_figure, board_table
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row

DAY: Final = 86_400.0  # s


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # mnist, fashion-mnist, friedman1 (a regression), a folder, or module:attribute
    devices: tuple[AnyDevice, ...] = (Mismatched(), *ZOO, Hopfield(), Resistive())  # each, by every learner
    learners: tuple[AnyLearner, ...] = NAMES  # type: ignore[assignment]  # names, as they are
    tuned_on: tuple[AnyDevice, ...] = (
        Mismatched(),
        LinearECRAM(),
        SoftBoundsRRAM(),
        Hopfield(),
    )  # of classes
    reads: Count = 300_000  # of each chip
    pulses: Positive = 300.0  # of a cell, in the mean
    joules: Positive = 2e-4  # J, of a chip, by the guesses of its device's `Costs`
    chips: Count = 5  # identities, a fleet
    tuning_chips: Count = 3  # other identities, on which settings are tried
    tries: Count = TRIES  # settings of each learner and class of device
    access: Literal["outputs", "taps", "spans"] = "spans"  # what the wires show
    node_probes: bool = True  # whether probes may enter at the summing nodes
    hidden: Count | None = None  # neurons of a hidden layer; by default 64, or 256 on large data
    depth: Count = 1  # hidden layers
    batch: Count = 64  # examples of a step
    learning_rate: Positive | None = None  # of Adam, tried first; by default .01, or .006 on large data
    points: Count = 16  # of the curve, evenly over the reads

    def load_data(self, where: str) -> Dataset:
        """The data set of a task; its targets may be values."""
        return load_data(where, values=True)


TOY = Args(
    devices=(Mismatched(),),
    learners=("measured feedback", "exact gradient", "equilibrium propagation"),
    reads=1_500,
    pulses=10.0,
    joules=1e-6,
    chips=2,
    tuning_chips=1,
    tries=2,
    hidden=8,
    points=4,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    devices: tuple[AnyDevice, ...] = (Mismatched(),)  # of one class
    kind: DeviceClass = "smooth"
    model: AnyDevice = Mismatched()  # on which settings are chosen
    learner: AnyLearner = "node perturbation"

    @property
    def name(self) -> str:
        return f"{self.kind}, {method_name(self.learner)}"


def plan(args: Args) -> list[Trial]:
    classes: dict[DeviceClass, list[Any]] = {}
    for device in args.devices:
        classes.setdefault(device_class(device), []).append(device)
    models: dict[DeviceClass, Any] = {device_class(device): device for device in args.tuned_on[::-1]}
    return [
        Trial(args, tuple(devices), kind, models.get(kind, devices[0]), learner)
        for kind, devices in classes.items()
        for learner in args.learners
    ]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, trial.args.load_data(trial.args.data)
    about: Row = {"class": trial.kind, "learner": method_name(trial.learner)}
    total, refusal, settings = len(trial.devices) + 1, "", Settings()
    try:
        first = args.first_identity() + args.chips
        others = range(first, first + args.tuning_chips)
        chosen = _comparison(args, data, trial.model).choose(trial.learner, others)
        settings = chosen.settings
        about |= _words(trial.learner, settings)
        found = {"held_out": round(chosen.accuracy, 6), "tries": chosen.tries, "done": round(1 / total, 4)}
        yield {"what": "settings", "device": reference(trial.model), **about, **found}
    except (ValueError, NoAccess, ImportError) as why:
        refusal = _in_words(why)
    for number, device in enumerate(trial.devices, 1):
        try:
            if not refusal:
                for row in _train(trial, data, device, settings):
                    yield row | about | {"done": round((number + row["done"]) / total, 4)}
                continue
        except (ValueError, NoAccess) as why:
            refusal_here = _in_words(why)
        else:
            refusal_here = refusal
        done = round((number + 1) / total, 4)
        yield {"what": "not run", "device": reference(device), **about, "why": refusal_here, "done": done}


def _in_words(error: Exception) -> str:
    return " ".join(str(error).split())


def _words(learner: Any, settings: Settings) -> Row:
    """The settings as rows have them; None of what the learner does not take."""
    updated = takes_update(learner)
    return {
        "size": settings.size if default_size(learner) is not None else None,
        "learning_rate": settings.learning_rate if updated else None,
        "write_threshold": settings.write_threshold if updated else None,
    }


def _comparison(args: Args, data: Dataset, device: Any) -> Comparison:
    size = training_size(data, hidden=args.hidden, learning_rate=args.learning_rate)
    access = Access(args.access, args.node_probes)

    return Comparison(
        device,
        suitable_layers(device, data, *(size.hidden,) * args.depth),
        data,
        args.reads,
        suitable_loss(device, CrossEntropy() if data.classes else SquaredError()),
        None if access == Access() else partial(_shown, access=access),
        args.seed,
        args.batch,
        size.learning_rate,
        (None, WRITE_THRESHOLD),
        args.tries,
    )


def _shown(port: Port, access: Access) -> Port:
    return withheld(port, access)


def _train(trial: Trial, data: Dataset, device: Any, settings: Settings) -> Iterator[Row]:
    """The curve of a training, and how its end stands within each budget and after a day."""
    args = trial.args
    comparison = _comparison(args, data, device)
    chips = comparison.chips(args.identities(args.chips))
    fresh = {"reads": 0, "pulses_per_cell": 0.0, "joules": 0.0, "accuracy": _accuracy(chips, data)}
    curve: list[Row] = [fresh]
    for row in comparison.train(trial.learner, chips, settings, points=args.points):
        curve.append(row)
        if row["what"] == "end" and row["accuracy"]:
            row |= {
                "within_pulses": accuracy_within(curve, "pulses_per_cell", args.pulses),
                "within_joules": accuracy_within(curve, "joules", args.joules),
                "after_a_day": _after(chips, data, DAY),
            }
        yield row


def _accuracy(chips: Chip, data: Dataset) -> list[float]:
    return scores(chips.port(), data, output_gain(chips.device))


def _after(chips: Chip, data: Dataset, seconds: float) -> list[float]:
    """The accuracy of each chip when nobody has used it for so long; 0 of chips that died of it."""
    try:
        chips.wait(seconds)
        return _accuracy(chips, data)
    except Dead:
        return [0.0] * len(chips.identities)


def table(rows: Sequence[Row]) -> list[Row]:
    return board_table(rows)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    return {"league": board_figure(rows)}
