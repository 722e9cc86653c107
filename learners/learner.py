"""A learner steps a port: measure, estimate, pulse. It is a function of what it measured."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from torch import Generator, Tensor

from analog.port import Knobs, Port, Probe, Reading, Spec

from .estimators import Estimator, correlate
from .losses import Loss, SlopedLoss
from .updates import Update

L = TypeVar("L")


class Batch(NamedTuple):
    """Examples and what is wanted of them; the target's form is the loss's business."""

    x: Tensor  # (batch, features_in), or (*fleet, batch, features_in)
    target: Any = None


class Step(NamedTuple):
    """What one step showed."""

    loss: Tensor  # (*fleet,), mean loss of the quiet reading
    quiet: Reading  # taps (*fleet, batch, features)


class Learner(Protocol[L]):
    """Turns batches into pulses."""

    def init(self, spec: Spec) -> L:
        """The learner's own memory before the first step; nothing is sent to the chip."""
        ...

    def step(self, port: Port, batch: Batch, state: L, rng: Generator) -> tuple[L, Step]:
        """Measure, and pulse the chip once."""
        ...


@dataclass(frozen=True)
class Descent:
    """Descend an estimated gradient.

    delta: train the linear read-out by its own delta rule (slope of the loss at the outputs, known
    digitally, times the inputs read at the last hidden tap) and spare it the perturbation.
    """

    estimator: Estimator
    update: Update
    loss: Loss
    delta: bool = False

    def __post_init__(self) -> None:
        if self.delta and not callable(getattr(self.loss, "slope", None)):
            raise ValueError(f"Descent: the delta rule needs a loss with a slope, {self.loss!r} has none")

    def init(self, spec: Spec) -> Any:
        if self.delta and not spec.layers[-1].linear:
            raise ValueError("Descent: the delta rule needs a linear read-out as the last layer")
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, rng: Generator) -> tuple[Any, Step]:
        quiet = port.measure(batch.x)
        quiet_loss = self._losses(quiet, batch)
        probed = len(port.spec.layers) - self.delta
        gradient = self._estimate(port, batch, quiet, quiet_loss, rng, probed) if probed else ()
        if self.delta:
            gradient = (*gradient, self._delta_rule(port.spec, batch, quiet))
        drive, state = self.update.step(gradient, state)
        port.pulse(drive)
        return state, Step(quiet_loss.mean(-1), quiet)

    def _estimate(
        self, port: Port, batch: Batch, quiet: Reading, quiet_loss: Tensor, rng: Generator, probed: int
    ) -> Knobs:
        """The gradient at the first `probed` layers; the others are measured without a probe."""
        spec = port.spec.span(last=probed - 1)
        spared = (None,) * (len(port.spec.layers) - probed)
        probe = self.estimator.ask(spec, batch.x, rng)
        sent = Probe(*(None if part is None else (*part, *spared) for part in probe))
        losses = self._losses(port.measure(batch.x, sent), batch)
        seen = Reading(quiet.taps[:probed])
        return self.estimator.tell(spec, probe, batch.x, seen, losses, quiet_loss)

    def _losses(self, reading: Reading, batch: Batch) -> Tensor:
        losses = self.loss(reading.out, batch.target)
        if losses.shape != reading.out.shape[:-1] or losses.dtype != reading.out.dtype:
            raise ValueError(
                f"Descent: the loss gave {losses.dtype} {tuple(losses.shape)} for outputs "
                f"{reading.out.dtype} {tuple(reading.out.shape)}; wanted one number per example, not averaged"
            )
        return losses

    def _delta_rule(self, spec: Spec, batch: Batch, quiet: Reading) -> Tensor:
        slope = cast(SlopedLoss, self.loss).slope(quiet.out, batch.target)
        given = quiet.taps[-2] if len(quiet.taps) > 1 else batch.x
        return correlate(spec.layers[-1], slope, given)


def fit(learner: Learner[L], port: Port, batches: Iterable[Batch], rng: Generator) -> Iterator[Step]:
    """Step a learner once per batch (x, target), lazily: nothing happens until the steps are iterated."""
    state = learner.init(port.spec)
    for batch in batches:
        state, step = learner.step(port, Batch(*batch), state, rng)
        yield step
