"""Where a learner with local goals has the gradients at the summing nodes from: probes, on any chip."""

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Generator, Tensor
from typing_extensions import TypeVar

from analog.access import Access
from analog.port import Port, Reading
from analog.spec import Spec

from ..estimators.base import Estimator
from ..estimators.control_variates import ControlVariate
from ..estimators.estimate import judge_baseline
from ..estimators.probing import Probing
from ..learner import Batch
from ..losses import Loss

S = TypeVar("S", default=Any)


class NodeGradients(Protocol[S]):
    """Estimates the gradient of each example's own loss at the summing nodes of every layer."""

    def needs(self, spec: Spec, loss: Loss) -> Access:
        """The least access to such a chip with which it works, beside that to all taps.

        Args:
            spec: the datasheet of the chip.
            loss: of the chip's outputs.
        """
        ...

    def init(self, spec: Spec, loss: Loss) -> S:
        """The state before the first step.

        Args:
            spec: the datasheet of the chip.
            loss: of the chip's outputs, the same in every step.

        Raises:
            ValueError: chip and loss do not fit.
        """
        ...

    def estimate(
        self, port: Port, batch: Batch, baseline: Reading, loss: Loss, state: S, generator: Generator
    ) -> tuple[tuple[Tensor, ...], S]:
        """Estimate the gradients of one batch; the chip may be measured and is not pulsed.

        Args:
            port: the chip's wires.
            batch: examples and their targets.
            baseline: a reading of the batch without a probe, just made, taps (*fleet, batch, features).
            loss: of the chip's outputs.
            state: as `init` or the last call gave it.
            generator: of the probes.

        Returns:
            Gradients (*fleet, batch, features) at the nodes of each layer, and the next state.
        """
        ...


@dataclass(frozen=True)
class PerturbedNodeGradients:
    """The gradient at the nodes as perturbation tells it, before it meets what drove the layers.

    Args:
        estimator: any that tells gradients at nodes.
        delta_rule: the gradient at a linear read-out is known digitally where the loss knows its own, and
            spared the probes.
        control_variate: predicts gradients from the past; only what it did not predict is estimated.

    Raises:
        ValueError: settings that do not go together, or an estimator that tells gradients at knobs.
    """

    estimator: Estimator
    delta_rule: bool = True
    control_variate: ControlVariate | None = None

    def __post_init__(self) -> None:
        if self.estimator.gradient_at != "nodes":
            raise ValueError(
                f"PerturbedNodeGradients: {self.estimator!r} tells gradients at knobs, wanted them at nodes"
            )

    def needs(self, spec: Spec, loss: Loss) -> Access:
        return self._probing(loss).needs(spec)

    def init(self, spec: Spec, loss: Loss) -> tuple[Any, ...]:
        return self._probing(loss).init(spec)

    def estimate(
        self,
        port: Port,
        batch: Batch,
        baseline: Reading,
        loss: Loss,
        state: tuple[Any, ...],
        generator: Generator,
    ) -> tuple[tuple[Tensor, ...], tuple[Any, ...]]:
        judged = judge_baseline(loss, batch.x, batch.target, baseline)
        estimates, state = self._probing(loss).estimates(port, judged, state, generator)
        return tuple(layer for estimate in estimates for layer in estimate.at_nodes()), state

    def _probing(self, loss: Loss) -> Probing:
        return Probing(self.estimator, loss, delta_rule=self.delta_rule, control_variate=self.control_variate)
