"""On chips that relax equilibrium propagation nears the exact gradient at equal reads; perturbation does not.

Chips whose nodes settle together (`Hopfield`, `Resistive`) learn in place until each has been driven with the
same number of vectors, and one thing is varied at a time: the noise of the taps, the mismatch of cells and
neurons, what a cell sends back above what it sends on, how long a reading waits, and how far the two
converters of a tap are apart, where states that are measured side by side are read by one each.

    equilibrium_propagation             centered, converters swapped at every other step
    ...(chopped=False)                  and without swapping
    ...(nudging='away')                 one nudged state beside the free one
    node_perturbation                   all nodes at once, credited at both ends of a cell
    weight_perturbation                 of all cells, from the loss alone
    exact gradient                      by x-ray, which no real hardware allows

Each learner's learning rate, and the size of its nudge or probe, are chosen in every case anew, by the
accuracy of the worst of three other chips on held-out training data: by compass search with at most fifteen
tries, each three times or a third of one before. All are judged by cross-entropy of outputs behind a digital
gain of 5, without which chips become bistable. How far a reading is from settled is in the table.

Published (MNIST, other settings, as many reads as it took): resistive networks of 100 hidden nodes 3.46 %
error by equilibrium propagation, 3.30 by backpropagation, 1.57 and 1.54 with 1,024 (Scellier 2024,
https://arxiv.org/abs/2402.11674); of noise and of converters nothing that could stand beside this.

Learners of one's own stand beside them: `--learners learners.recipes:equilibrium_propagation mine:MyLearner`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Final

from matplotlib.figure import Figure

from analog import Port, stream, xray
from analog.devices import Hopfield, Resistive
from learners import CrossEntropy, recipes
from learners.data import load_data

from ..kit.recipes.equal_reads import Settings
from ..kit.recipes.methods import AnyLearner, default_size, method_name, takes_update
from ..kit.recipes.technologies import INPUT_GAIN, suitable_layers, suitable_loss
from ..kit.recipes.training_size import training_size
from ..kit.recipes.tuned import Comparison
from ..kit.recipes.two_converters import with_two_converters
from ..kit.report.figures import INTERVAL, course, legend, looks, note, panels
from ..kit.report.tables import mean_with_interval, percent_with_interval, points_between, short_number
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import MAY_BE_EMPTY, Count, NonNegative, Positive
from ..kit.run.references import reference, short_reference
from ..kit.run.study import Row

LEARNERS: Final[tuple[Any, ...]] = (
    recipes.equilibrium_propagation,
    partial(recipes.equilibrium_propagation, chopped=False),
    partial(recipes.equilibrium_propagation, nudging="away"),
    recipes.node_perturbation,
    recipes.weight_perturbation,
    "exact gradient",
)
VARIED: Final = {  # what is varied, and its axis
    "read_noise": "noise of a tap, V",
    "severity": "mismatch, severity",
    "skew_dtod": "non-reciprocity of a cell, sd",
    "sweeps": "time constants waited",
    "converters": "converters apart, V",
}
TRIES: Final = 15  # settings of each learner
UNSETTLED: Final = 64  # training examples by which it is judged how far chips have settled
MaybeNone = Annotated[tuple[NonNegative, ...], MAY_BE_EMPTY]


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, or a folder, of pictures or IDX files
    devices: tuple[AnyDevice, ...] = (Hopfield(), Resistive())  # what is not varied is as these say
    learners: tuple[AnyLearner, ...] = LEARNERS
    read_noise: MaybeNone = (0.0, 0.02, 0.1, 0.3)  # V, of a tap; each of these four where the device has it
    severity: MaybeNone = (0.0, 1.0, 2.0)  # of the mismatch
    skew_dtod: MaybeNone = (0.3, 1.0, 3.0)  # what a cell sends back above what it sends on, relative
    sweeps: Annotated[tuple[Count, ...], MAY_BE_EMPTY] = (2, 4, 8, 16)  # time constants that a reading waits
    converters: MaybeNone = (0.01, 0.03, 0.1)  # V, between the two converters of a tap
    reads: Count = 130_000  # of each chip; equilibrium propagation goes 30 times through digits
    chips: Count = 3  # identities, a fleet
    tuning_chips: Count = 3  # other identities, on which settings are tried
    hidden: Count | None = None  # hidden nodes; by default 64, or 256 on large data
    batch: Count = 64  # examples of a step
    input_gain: Positive = INPUT_GAIN  # V, of a full input to a chip of conductances
    learning_rate: Positive | None = None  # of Adam; by default chosen, with sizes of nudges and probes


TOY = Args(
    devices=(Hopfield(),),
    learners=(recipes.equilibrium_propagation, "exact gradient"),
    read_noise=(),
    severity=(),
    skew_dtod=(),
    sweeps=(),
    converters=(0.1,),
    reads=800,
    chips=2,
    hidden=6,
    tuning_chips=1,
    learning_rate=0.01,
)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    base: AnyDevice = Hopfield()
    varied: str = ""  # what is not as the device says
    value: float = 0.0
    learner: AnyLearner = recipes.equilibrium_propagation

    @property
    def name(self) -> str:
        case = f", {self.varied} {self.value:g}" if self.varied else ""
        return f"{reference(self.base)}{case}, {method_name(self.learner)}"

    @property
    def device(self) -> AnyDevice:
        in_device = self.varied and self.varied != "converters"
        return replace(self.base, **{self.varied: self.value}) if in_device else self.base  # type: ignore[type-var]

    @property
    def settings(self) -> dict[str, float | None]:
        """Of everything that is varied its value here; None of what the device has not."""
        device = {name: getattr(self.device, name, None) for name in VARIED}
        return device | {"converters": self.value if self.varied == "converters" else 0.0}


def plan(args: Args) -> list[Trial]:
    cases = [(base, *case) for base in args.devices for case in [("", 0.0), *_cases(args, base)]]
    return [Trial(args, *case, learner) for case in cases for learner in args.learners]


def _cases(args: Args, base: Any) -> Iterator[tuple[str, float]]:
    """What is varied of a device, and to what, but for what it is already."""
    own = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)} | {"converters": 0.0}
    for name in VARIED:
        yield from ((name, value) for value in getattr(args, name) if name in own and value != own[name])


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden)

    def wired(port: Port) -> Port:
        drawn = stream(args.seed, "relaxing", "converters")
        return with_two_converters(port, trial.value, drawn) if trial.varied == "converters" else port

    comparison = Comparison(
        trial.device,
        suitable_layers(trial.device, data, size.hidden, input_gain=args.input_gain),
        data,
        args.reads,
        suitable_loss(trial.device, CrossEntropy()),
        wired,
        args.seed,
        args.batch,
        tries=TRIES,
    )
    first = args.first_identity() + args.chips
    others = range(first, first + args.tuning_chips)
    if args.learning_rate is None:
        settings = comparison.choose(trial.learner, others).settings
    else:
        settings = Settings(default_size(trial.learner), args.learning_rate)
    chip = comparison.chips(args.identities(args.chips))
    about = {"device": reference(trial.base), "varied": trial.varied, **trial.settings}
    about |= {"learner": method_name(trial.learner), "size": settings.size}
    about["learning_rate"] = settings.learning_rate if takes_update(trial.learner) else None
    for row in comparison.train(trial.learner, chip, settings):
        row |= about
        if row["what"] == "end" and row["accuracy"]:
            away = xray.unsettled(chip, data.train.x[:UNSETTLED])
            row["unsettled"] = [round(v, 5) for v in away.tolist()]
        yield row


def table(rows: Sequence[Row]) -> list[Row]:
    lines, ends = [], [row for row in rows if row["what"] == "end"]
    for row in ends:
        alike = [r for r in ends if all(r[k] == row[k] for k in ("device", *VARIED))]
        first = alike[0]
        is_paired = row is not first and len(row["accuracy"]) == len(first["accuracy"])
        lines.append(
            {
                "device": short_reference(row["device"]),
                "varied": f"{row['varied']} {row[row['varied']]:g}" if row["varied"] else "",
                "learner": short_reference(row["learner"]),
                "accuracy %": percent_with_interval(row["accuracy"]) or "died",
                "less the first's": points_between(row["accuracy"], first["accuracy"]) if is_paired else "",
                "chips": len(row["accuracy"]),
                "unsettled %": mean_with_interval([100 * v for v in row.get("unsettled", [])], 1),
                "size": short_number(row["size"]),
                "learning rate": short_number(row["learning_rate"]),
                "reads": row.get("reads", ""),
                "access": row["access"],
            }
        )
    return lines


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    ends = [row for row in rows if row["what"] == "end" and row["accuracy"]]
    varied = [name for name in VARIED if any(row["varied"] == name for row in ends)]
    devices = list(dict.fromkeys(row["device"] for row in ends))
    figure, axes = panels(len(varied), len(devices), width=2.7, height=2.8, sharey=True)
    look = looks(row["learner"] for row in ends)
    for axis, (device, name) in zip(axes, ((d, v) for d in devices for v in varied), strict=False):
        of_panel = [r for r in ends if r["device"] == device and r["varied"] in ("", name)]
        for learner in dict.fromkeys(r["learner"] for r in of_panel):
            points = [r for r in of_panel if r["learner"] == learner and r[name] is not None]
            errors = {r[name]: [100 - 100 * a for a in r["accuracy"]] for r in points}
            course(axis, errors, label=short_reference(learner), **look[learner])
        axis.set(xlabel=VARIED[name], title=short_reference(device), yscale="log")
        if name in ("read_noise", "converters"):
            axis.set_xscale("symlog", linthresh=0.01)
    for axis in axes:
        axis.set_ylabel("test error, %")
        if not axis.get_xlabel():
            axis.set_xlabel("what is varied")
    legend(figure)
    chips = max((len(row["accuracy"]) for row in ends), default=0)
    note(figure, f"mean of {chips} chips at equal reads; bands: {INTERVAL}")
    return {"relaxing": figure}
