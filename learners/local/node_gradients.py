"""Where a learner with local goals has the slopes at the summing nodes from: probes, on any chip."""

from dataclasses import dataclass
from typing import Any
from typing import Protocol
from typing import TypeVar
from typing import cast

from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.port import Reading
from analog.spec import Spec

from ..estimators.base import Evidence
from ..estimators.base import NodePerturbation
from ..estimators.base import correlate
from ..estimators.control_variates import Feedback
from ..estimators.control_variates import Pathway
from ..estimators.control_variates import expected
from ..learner import Batch
from ..learner import evidence
from ..losses import Loss
from ..losses import known_gradient

S = TypeVar("S")


class Slopes(Protocol[S]):
    """Finds the gradient of each example's own loss at the summing nodes of every layer."""

    def init(self, spec: Spec) -> S:
        """Memory before the first step."""
        ...

    def find(
        self, port: Port, batch: Batch, baseline: Reading, loss: Loss, held: S, generator: Generator
    ) -> tuple[tuple[Tensor, ...], S]:
        """Slopes (*fleet, batch, features) of each layer, and the next memory."""
        ...


@dataclass(frozen=True)
class ByProbes:
    """Node perturbation's estimate, before it is correlated with what drove the layers.

    delta: the linear read-out's slope is known digitally from the loss, and spared the probes.
    control: foresees slopes from the past; only what it did not foresee is estimated.
    """

    estimator: NodePerturbation
    delta: bool = False
    control: Feedback | None = None

    def init(self, spec: Spec) -> tuple[Pathway, ...]:
        if self.delta and not spec.layers[-1].linear:
            raise ValueError("ByProbes: the delta rule needs a linear read-out as the last layer")
        if self.control is None or not self._probed(spec):
            return ()
        return self.control.init(spec.span(0, self._probed(spec) - 1), spec)

    def find(
        self,
        port: Port,
        batch: Batch,
        baseline: Reading,
        loss: Loss,
        held: tuple[Pathway, ...],
        generator: Generator,
    ) -> tuple[tuple[Tensor, ...], tuple[Pathway, ...]]:
        known = self._known(baseline, batch, loss)
        found: tuple[Tensor, ...] = ()
        if probed := self._probed(port.spec):
            losses = loss.value(baseline.out, batch.target)

            def judged(reading: Reading, given: Batch) -> Tensor:
                return loss.value(reading.out, given.target)

            seen = evidence(self.estimator, port, batch, judged, baseline, losses, (0, probed - 1), generator)
            found, held = self._told(port.spec.span(0, probed - 1), seen, known, held)
        return (*found, cast(Tensor, known)) if self.delta else found, held

    def _probed(self, spec: Spec) -> int:
        """How many layers are probed, from the first."""
        return len(spec.layers) - self.delta

    def _known(self, baseline: Reading, batch: Batch, loss: Loss) -> Tensor | None:
        """The loss's slope at the outputs, where a part of this has a use for it."""
        if not self.delta and self.control is None:
            return None
        return known_gradient(loss, "ByProbes: who knows the read-out")(baseline.out, batch.target)

    def _told(
        self, spec: Spec, seen: Evidence, known: Tensor | None, held: tuple[Pathway, ...]
    ) -> tuple[tuple[Tensor, ...], tuple[Pathway, ...]]:
        if self.control is None:
            return cast(tuple[Tensor, ...], self.estimator.at_nodes(spec, seen)), ()
        foreseen = self.control.foresee(held, spec, seen, known)
        surprise = seen._replace(losses=seen.losses - expected(foreseen, seen.probe))
        told = cast(tuple[Tensor, ...], self.estimator.at_nodes(spec, surprise))
        ahead = cast(tuple[Tensor, ...], foreseen.nodes)
        slopes = tuple(self.control.trust * t + c for t, c in zip(told, ahead, strict=True))
        inputs = (seen.x, *seen.baseline.taps[:-1])
        gradient = tuple(correlate(la, d, z) for la, d, z in zip(spec.layers, slopes, inputs, strict=True))
        return slopes, self.control.learn(held, spec, foreseen, surprise, known, gradient)


AnySlopes = Slopes[Any]
