"""What studies share: how much of what suits which data, the exact-gradient reference, scores."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Dead
from analog import Knobs
from analog import Layer
from analog import Port
from analog import Spec
from analog import dense
from analog import xray
from distill import Likeness
from learners import Batch
from learners import CrossEntropy
from learners import Descent
from learners import Feedback
from learners import Loss
from learners import NodePerturbation
from learners import Step
from learners import Update
from learners import accumulate
from learners import adam
from learners import fit
from learners import linear_decay
from learners.data import Dataset
from learners.data import batches
from learners.data import count_steps
from learners.data import draw_batches
from learners.learner import Learner


class Scale(NamedTuple):
    """Sizes that suit a data set; chosen on held-out parts of the training data, never on test data."""

    hidden: int
    batch: int
    probes: int
    epochs: float
    heirs: int
    rate: float


SMALL = Scale(hidden=64, batch=64, probes=4, epochs=45, heirs=16, rate=1e-2)
LARGE = Scale(hidden=256, batch=256, probes=4, epochs=15, heirs=4, rate=6e-3)
OWED = 0.1  # full scale, what drives come to before they are sent, where writes blur; on held-out digits
PROBE_SIZE = 0.15  # V at the summing node: what `tune_probe_size` finds for Mismatched, give or take a fifth
FEEDBACK = Feedback(decay=0.98, estimate_weight=0.2)  # on noisy chips the surprise is mostly noise


def scale(data: Dataset, **wanted: Any) -> Scale:
    """SMALL up to 10,000 training examples, LARGE above, with what a user wants otherwise (not None)."""
    chosen = {word: value for word, value in wanted.items() if value is not None}
    for word, value in chosen.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{word} is {value}, wanted a finite number above 0")
    return (SMALL if len(data.train.x) <= 10_000 else LARGE)._replace(**chosen)


def network(data: Dataset, hidden: int) -> tuple[Layer, ...]:
    """One hidden layer and a linear read-out."""
    return dense(data.features, hidden), dense(hidden, data.classes, linear=True)


def by_nodes(probes: int, update: Update, size: float = PROBE_SIZE) -> Callable[[Loss], Learner[Any]]:
    """Node perturbation with learned feedback, silent neurons masked, the read-out on its own delta rule."""
    estimator = NodePerturbation(size, probes)
    return lambda loss: Descent(estimator, update, loss, control_variate=FEEDBACK)


def usual(data: Dataset, size: Scale) -> Callable[[Loss], Learner[Any]]:
    """Node perturbation for a training of such a size."""
    return by_nodes(size.probes, schedule(data, size.batch, size.epochs, size.rate))


def schedule(data: Dataset, size: int, epochs: float, rate: float) -> Update:
    """Adam, its rate falling linearly to zero over the whole training."""
    return linear_decay(adam(rate), count_steps(data.train, size, epochs))


def sparing(data: Dataset, size: Scale) -> Update:
    """The schedule of such a size, its drives owed until a write is worth what it blurs."""
    return accumulate(schedule(data, size.batch, size.epochs, size.rate), OWED)


def schooled(chip: Chip[Any], data: Dataset, size: Scale, order: Generator, probes: Generator) -> None:
    """Let a chip learn from labels, in place, as teachers do before they teach."""
    learner = usual(data, size)(CrossEntropy())
    for _ in fit(learner, chip.port(), batches(data.train, size.batch, size.epochs, order), probes):
        pass


def lived(life: Iterable[object]) -> str | None:
    """Carry learning out to its end; what was said if the chip died on the way."""
    try:
        for _ in life:
            pass
    except Dead as end:
        return str(end)
    return None


@dataclass(frozen=True)
class Exact:
    """The reference that no real hardware allows: the exact gradient of this very chip, by x-ray."""

    chip: Chip[Any]
    update: Update
    loss: Loss
    first: int = 0  # the layers whose port it is handed; None is the read-out
    last: int | None = None

    def init(self, spec: Spec) -> Any:
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        del generator  # nothing is probed
        baseline = port.measure(batch.x)
        target = self.loss.freeze(baseline.out, batch.target)
        gradient = xray.knob_gradient(self.chip, batch.x, target, self.loss, first=self.first, last=self.last)
        drive, state = self.update.step(gradient, state)
        port.pulse(drive)
        return state, Step(self.loss(baseline.out, target).mean(-1), baseline)


def within(
    budget: int,
    port: Port,
    estimator: NodePerturbation,
    data: Dataset,
    size: Scale,
    order: Generator,
    probes: Generator,
) -> int:
    """Train by node perturbation with `budget` measurements of single examples; how many steps that was.

    The baseline reading of a step is charged as one more probe.
    """
    each = min(size.batch, len(data.train.x)) * (1 + estimator.scheme.reads(estimator.probes))
    count = max(1, budget // each)
    learner = Descent(estimator, linear_decay(adam(size.rate), count), CrossEntropy())
    return sum(1 for _ in fit(learner, port, draw_batches(data.train, size.batch, count, order), probes))


def answers(port: Port, x: Tensor) -> Tensor:  # (*fleet, examples), int64
    """The class a chip names for each example."""
    return outputs(port, x).argmax(-1)


def outputs(port: Port, x: Tensor) -> Tensor:  # (*fleet, examples, classes)
    """What a chip says to each example, measured in pieces that fit in memory."""
    return torch.cat([port.measure(piece).out for piece in x.split(2500)], -2)


def accuracy(port: Port, data: Batch) -> Tensor:  # (*fleet,), float64
    """Share of examples named rightly."""
    return right(answers(port, data.x), data.target)


def right(named: Tensor, wanted: Tensor) -> Tensor:  # (*fleet,), float64
    """Share of answers (*fleet, examples) that are as wanted."""
    return (named == wanted).double().mean(-1)


def sampled(learning: Iterator[object], total: int, points: int = 12) -> Iterator[int]:
    """Carry learning out, pausing at about `points` steps, each a like factor after the one before."""
    pauses = {round(total ** (k / points)) for k in range(points)} | {total}
    for number, _ in enumerate(learning, 1):
        if number in pauses:
            yield number


def likeness_words(like: Likeness) -> dict[str, Any]:
    """A likeness as a row holds it: means over the fleet, and each chip's accuracy."""
    return {
        "accuracy": [round(a, 6) for a in like.accuracy.reshape(-1).tolist()],
        "agreement": float(like.agreement.mean()),
        "divergence": float(like.divergence.mean()),
        "kappa": float(like.kappa.mean()),
        "repeated": like.repeated.share,  # of the teachers' mistakes
        "calibration_error": float(like.calibration_error.mean()),
    }


def repeated(knobs: Knobs, count: int) -> Knobs:
    """The same knobs for each chip of a fleet."""
    return tuple(k.expand(count, *k.shape).clone() for k in knobs)
