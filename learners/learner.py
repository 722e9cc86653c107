"""A learner steps a port: measure, estimate, pulse. It is a function of what it measured."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar
from typing import cast

from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.port import Reading
from analog.spec import Knobs
from analog.spec import Spec

from .estimators.active import ActiveNodePerturbation
from .estimators.base import Estimator
from .estimators.base import Evidence
from .estimators.base import correlate
from .estimators.control_variates import Control
from .estimators.control_variates import Feedback
from .estimators.control_variates import at_knobs
from .estimators.control_variates import expected
from .losses import Loss
from .losses import known_gradient
from .losses import require_loss
from .updates.record import Update

L = TypeVar("L")


class Batch(NamedTuple):
    """Examples and what is wanted of them; the target's form is the loss's business."""

    x: Tensor  # (batch, features_in), or (*fleet, batch, features_in)
    target: Any = None

    @property
    def unlabeled(self) -> "Batch":
        """The examples without their target, as stimuli for a teacher."""
        return self._replace(target=None)


class Step(NamedTuple):
    """What one step showed."""

    loss: Tensor  # (*fleet,), mean loss of the baseline reading
    baseline: Reading  # taps (*fleet, batch, features)


class Learner(Protocol[L]):
    """Turns batches into pulses."""

    def init(self, spec: Spec) -> L:
        """The learner's own memory before the first step; nothing is sent to the chip."""
        ...

    def step(self, port: Port, batch: Batch, state: L, generator: Generator) -> tuple[L, Step]:
        """Measure, and pulse the chip once."""
        ...


class Memory(NamedTuple):
    """What a `Descent` remembers from step to step."""

    update: Any
    controls: tuple[Any, ...]  # one per span that is probed


@dataclass(frozen=True)
class Descent:
    """Descend an estimated gradient.

    delta: train the linear read-out by its own delta rule (slope of the loss at the outputs, known
        digitally, times the inputs read at the last hidden tap) and spare it the perturbation.
    in_turn: probe one layer after another, each in measurements of its own that drive only it and what
        comes after it. Layers then do not leak into each other, at one set of probes for each.
    control: foresees losses from the past, so that only what it did not foresee has to be estimated.
    """

    estimator: Estimator
    update: Update
    loss: Loss
    delta: bool = False
    in_turn: bool = False
    control: Control[Any] | None = None

    def __post_init__(self) -> None:
        require_loss(self.loss, "Descent")
        if self.delta:
            known_gradient(self.loss, "Descent: the delta rule")
        if self.control is not None and isinstance(self.estimator, ActiveNodePerturbation):
            raise ValueError(
                "Descent: a control foresees probes that were sent; active perturbation sends none"
            )
        if self.control is not None and self.loss.parts > 1:
            raise ValueError(f"Descent: a control foresees whole losses, {self.loss!r} gives those of parts")
        if isinstance(self.control, Feedback):
            known_gradient(self.loss, "Descent: feedback")

    def init(self, spec: Spec) -> Memory:
        if self.delta and not spec.layers[-1].linear:
            raise ValueError("Descent: the delta rule needs a linear read-out as the last layer")
        control, spans = self.control, self._spans(spec)
        held = () if control is None else tuple(control.init(spec.span(*s), spec) for s in spans)
        return Memory(self.update.init(spec.zeros()), held)

    def step(self, port: Port, batch: Batch, state: Memory, generator: Generator) -> tuple[Memory, Step]:
        baseline = port.measure(batch.x)
        batch = batch._replace(target=self.loss.freeze(baseline.out, batch.target))
        losses, slope = self._losses(baseline, batch), self._slope(baseline, batch)
        gradient: list[Tensor] = []
        controls: list[Any] = []
        for at, span in enumerate(self._spans(port.spec)):
            seen = evidence(self.estimator, port, batch, self._losses, baseline, losses, span, generator)
            part, held = self._tell(port.spec.span(*span), seen, slope, state.controls[at : at + 1])
            gradient += part
            controls += held
        if self.delta:
            given = baseline.taps[-2] if len(baseline.taps) > 1 else batch.x
            gradient.append(correlate(port.spec.layers[-1], cast(Tensor, slope), given))
        drive, update = self.update.step(tuple(gradient), state.update)
        port.pulse(drive)
        return Memory(update, tuple(controls)), Step(losses.sum(-1).mean(-1), baseline)

    def _spans(self, spec: Spec) -> list[tuple[int, int]]:
        """First and last layer of each set of probes."""
        probed = len(spec.layers) - self.delta
        if self.in_turn:
            return [(i, i) for i in range(probed)]
        return [(0, probed - 1)] if probed else []

    def _tell(
        self, spec: Spec, seen: Evidence, slope: Tensor | None, held: tuple[Any, ...]
    ) -> tuple[Knobs, tuple[Any, ...]]:
        """The gradient at the knobs of a span, and what its control remembers then."""
        if self.control is None:
            return self.estimator.tell(spec, seen), ()
        foreseen = self.control.foresee(held[0], spec, seen, slope)
        surprise = seen._replace(losses=seen.losses - expected(foreseen, seen.probe))
        parts = zip(self.estimator.tell(spec, surprise), at_knobs(spec, foreseen, seen), strict=True)
        gradient = tuple(self.control.trust * told + known for told, known in parts)
        return gradient, (self.control.learn(held[0], spec, foreseen, surprise, slope, gradient),)

    def _losses(self, reading: Reading, batch: Batch) -> Tensor:
        losses, out = self.loss.value(reading.out, batch.target), reading.out
        wanted = (*out.shape[:-1], self.loss.parts)
        if losses.shape != wanted or losses.dtype != out.dtype:
            raise ValueError(
                f"Descent: the loss gave {losses.dtype} {tuple(losses.shape)} for outputs {out.dtype} "
                f"{tuple(out.shape)}; wanted {wanted}, a number for each part of each example, not averaged"
            )
        return losses

    def _slope(self, baseline: Reading, batch: Batch) -> Tensor | None:
        """The loss's slope at the outputs, where a part of this learner has a use for it."""
        if not self.delta and self.control is None:
            return None
        return None if self.loss.gradient is None else self.loss.gradient(baseline.out, batch.target)


def evidence(
    estimator: Estimator,
    port: Port,
    batch: Batch,
    losses: Callable[[Reading, Batch], Tensor],
    baseline: Reading,
    baseline_loss: Tensor,
    span: tuple[int, int],
    generator: Generator,
) -> Evidence:
    """Probe the layers of a span, driven by what drove them in the baseline reading of the whole chip."""
    first, last = span
    x = baseline.taps[first - 1] if first else batch.x
    own = Reading(baseline.taps[first : last + 1])
    probe = estimator.ask(port.spec.span(first, last), x, own, generator)
    spared = len(port.spec.layers) - 1 - last
    reading = port.measure(x, probe.padded(after=spared), first=first)
    probed = Reading(reading.taps[: last + 1 - first])
    return Evidence(x, own, baseline_loss, probe, probed, losses(reading, batch))


def fit(
    learner: Learner[L],
    port: Port,
    batches: Iterable[Batch],
    generator: Generator,
    state: L | None = None,
) -> Iterator[tuple[L, Step]]:
    """Step a learner once per batch, lazily: nothing happens until the steps are iterated.

    Args:
        learner: what turns batches into pulses.
        port: the wires of the chips that learn.
        batches: pairs (x, target), such as `Batch` or what a `torch.utils.data.DataLoader` yields.
        generator: of the probes.
        state: to go on from, as an earlier fit left it; None begins anew.

    Returns:
        An iterator over pairs: the learner's state after a step, and what the step showed.

    Raises:
        TypeError: what came is no port, or no generator.
    """
    require_port(port, "fit")
    require_generator(generator, "fit")
    return _fit(learner, port, batches, generator, state)


def _fit(
    learner: Learner[L], port: Port, batches: Iterable[Batch], generator: Generator, state: L | None
) -> Iterator[tuple[L, Step]]:
    current = learner.init(port.spec) if state is None else state
    for batch in batches:
        current, step = learner.step(port, Batch(*batch), current, generator)
        yield current, step


def require_port(port: object, user: str) -> None:
    """Refuse what is not the wires of a chip.

    Raises:
        TypeError: saying what came, and what to do where it is a chip.
    """
    if not isinstance(port, Port):
        hint = "; give its wires, chip.port()" if callable(getattr(port, "port", None)) else ""
        raise TypeError(f"{user}: port is a {type(port).__name__}, wanted a Port{hint}")


def require_generator(generator: object, user: str) -> None:
    """Refuse what is not a generator of random numbers.

    Raises:
        TypeError: saying what came, and how a generator is made.
    """
    if not isinstance(generator, Generator):
        raise TypeError(
            f'{user}: generator is {generator!r}, wanted a torch.Generator such as stream(0, "probes")'
        )
