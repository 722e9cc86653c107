"""At equal reads learners differ: a league on the same chips, with learners, devices and data of your own.

Every learner trains the same chips from the same batches until it has driven so many vectors through each
chip, whatever a step of it takes. `less the first's` is the paired difference to the learner that is named
first. Ours descend by Adam, its rate falling to zero over the training, with the settings of `in_place`,
which were chosen on held-out training data of digits; another device or data set may want others.

    python -m studies league --learners "mine:DirectFeedback()" "node perturbation" --devices mine:Memristor

Names are those of `studies.kit.recipes.methods`, ours and alternatives of the literature; what each needs of
the wires is in its row. What else is named is called with its arguments and then with the loss of the task
(see there). Data of your own are a folder or `module:attribute`.

Published: nothing at equal reads that we know of.

Open questions: learning rates are not searched for each learner; `depth` does that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from analog import Chip, Mismatched, mlp
from learners.data import load_data

from ..kit.recipes.equal_reads import train_within_reads
from ..kit.recipes.methods import AnyLearner, method_name
from ..kit.recipes.training_size import training_size
from ..kit.report.learner_results import learner_figure, learner_table
from ..kit.run.arguments import AnyDevice, SeededChips
from ..kit.run.ranges import Count, Positive
from ..kit.run.references import reference
from ..kit.run.study import Row


@dataclass(frozen=True)
class Args(SeededChips):
    data: str = "digits"  # digits, mnist, fashion-mnist, a folder, or module:attribute
    devices: tuple[AnyDevice, ...] = (Mismatched(),)  # each, by every learner
    learners: tuple[AnyLearner, ...] = ("node perturbation", "learned feedback", "measured feedback")
    reads: Count = 50_000  # of each chip
    chips: Count = 5  # identities, a fleet
    hidden: Count | None = None  # hidden neurons; by default 64, or 256 on large data
    batch: Count = 64  # examples of a step
    learning_rate: Positive | None = None  # of Adam; by default .01, or .006 on large data
    probes: Count = 4  # directions of a step, for ours


TOY = Args(learners=("node perturbation", "exact gradient"), reads=3_000, chips=2, hidden=8)


@dataclass(frozen=True)
class Trial:
    args: Args = Args()
    device: AnyDevice = Mismatched()
    learner: AnyLearner = "node perturbation"

    @property
    def name(self) -> str:
        return f"{reference(self.device)}, {method_name(self.learner)}"


def plan(args: Args) -> list[Trial]:
    return [Trial(args, device, learner) for device in args.devices for learner in args.learners]


def run(trial: Trial) -> Iterator[Row]:
    args, data = trial.args, load_data(trial.args.data)
    size = training_size(data, hidden=args.hidden, learning_rate=args.learning_rate)
    layers = mlp(data.features, size.hidden, data.classes)
    chips = Chip(trial.device, layers, args.identities(args.chips), noise_seed=args.seed)
    yield from train_within_reads(
        trial.learner,
        chips,
        data,
        reads=args.reads,
        seed=args.seed,
        batch=args.batch,
        learning_rate=size.learning_rate,
        probes=args.probes,
    )


def table(rows: Sequence[Row]) -> list[Row]:
    return learner_table(rows)


def figures(rows: Sequence[Row]) -> dict[str, Figure]:
    return {"league": learner_figure(rows)}
