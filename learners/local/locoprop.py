"""LocoProp: every layer moves towards a target of its own for a few steps, all layers side by side.

Amid, Anil and Warmuth, "LocoProp: enhancing BackProp via local loss optimization", AISTATS 2022,
https://arxiv.org/abs/2106.06199. With a the sums at a layer's nodes, f its neurons and d the gradient of an
example's loss at a, each layer goes down its own convex problem, its inputs x held at what they were:

    LocoProp-M: the matching loss of f (see `activations`) to the target y = f(a) - gamma d, so the residual
                is f(Wx) - y and the gradient (f(Wx) - y) x'; nothing has to be known of f but its output
    LocoProp-S: the squared loss to the target t = a - gamma d, residual Wx - t

T steps of size eta from a linear layer give dW = -eta gamma G sum_{j<T} (I - eta C)^j with G = mean d x' and
C = mean x x': one step is backprop with rate eta gamma, many come to the natural-gradient-like G C^-1.

Where we differ and why:
- On a chip the residual is read, not computed: a layer is driven alone with the inputs it had, and its own
  output is read. The first step needs no reading, because its residual is gamma d by definition.
- d is the gradient of each example's own loss and gradients are means over the batch, so that settings do not
  depend on the batch; in the authors' code d is that of the mean loss and gradients are sums. Their gamma is
  ours times the batch, their epsilon of RMSProp ours times its square.
- S needs the sums, and a tap shows a hidden neuron's output. It is inverted where the neuron is known and
  increasing (`transfer`); a rectifier cannot be inverted.
- The proximal term, proximal/2 |W - W_0|^2, is measured by what was sent, as true weights are out of reach.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Generator, Tensor

from analog.access import Access
from analog.layers.recurrence import require_stateless
from analog.port import Port
from analog.spec import Knobs, Spec

from ..access import spans_access, taps_access
from ..estimators.estimate import judge_baseline
from ..estimators.gradient import knob_gradient
from ..learner import Batch, Step
from ..losses import Loss
from ..updates.record import Update
from .node_gradients import NodeGradients


class _State(NamedTuple):
    """The memory of `LocoProp`."""

    update: Any
    node_gradients: Any


@dataclass(frozen=True)
class LocoProp:
    """A learner with local goals from the gradients at the nodes, and `steps` pulses towards them.

    Args:
        update: of the pulses, each of them.
        transfer: for each layer the function through which its tap is compared with the target; None compares
            taps as they are. For M a neuron's tap is its output already (`identity.forward`), and a read-out
            goes with the loss (`sigmoid.forward` with binary cross-entropy). For S neurons are inverted
            (`tanh.inverse`).

    Raises:
        ValueError: `gamma`, `proximal` or `steps` is out of its range.
    """

    node_gradients: NodeGradients
    update: Update
    loss: Loss
    gamma: float  # step of the target along each example's own gradient
    steps: int = 10
    transfer: tuple[Callable[[Tensor], Tensor], ...] | None = None
    proximal: float = 0.0  # strength of the proximal term

    def __post_init__(self) -> None:
        if not 0 < self.gamma < float("inf") or not 0 <= self.proximal < float("inf"):
            raise ValueError(
                f"LocoProp: gamma is above 0 and proximal at least 0, got {self.gamma} and {self.proximal}"
            )
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise ValueError(f"LocoProp: steps is {self.steps!r}, wanted an integer of at least 1")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans where it drives layers alone, and what its gradients need."""
        alone = spans_access if self.steps > 1 else taps_access
        return alone(spec, node_probes=False) | self.node_gradients.needs(spec, self.loss)

    def init(self, spec: Spec) -> _State:
        """The states of the update and of the node gradients.

        Raises:
            ValueError: there is not one transfer function for each layer, or a layer has a state.
        """
        require_stateless(spec.layers, "LocoProp")
        if self.transfer is not None and len(self.transfer) != len(spec.layers):
            raise ValueError(
                f"LocoProp: transfer names {len(self.transfer)} functions, "
                f"the chip has {len(spec.layers)} layers"
            )
        return _State(self.update.init(spec.zeros()), self.node_gradients.init(spec, self.loss))

    def step(self, port: Port, batch: Batch, state: _State, generator: Generator) -> tuple[_State, Step]:
        baseline = port.measure(batch.x)
        losses = judge_baseline(self.loss, batch.x, batch.target, baseline).losses
        gradients, memory = self.node_gradients.estimate(
            port, batch, baseline, self.loss, state.node_gradients, generator
        )
        inputs = (batch.x, *baseline.taps[:-1])
        residuals = tuple(d * self.gamma for d in gradients)
        targets = tuple(y - r for y, r in zip(self._transferred(baseline.taps), residuals, strict=True))
        sent, update = None, state.update
        for number in range(self.steps):
            if number:
                residuals = self._residuals(port, inputs, targets)
            drive, update = self.update.step(self._gradient(port.spec, residuals, inputs, sent), update)
            port.pulse(drive)
            if self.proximal:
                sent = drive if sent is None else tuple(s + d for s, d in zip(sent, drive, strict=True))
        return _State(update, memory), Step(losses.sum(-1).mean(-1), baseline)

    def _transferred(self, taps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Taps, each through the function by which it is compared."""
        if self.transfer is None:
            return taps
        return tuple(function(tap) for function, tap in zip(self.transfer, taps, strict=True))

    def _residuals(
        self, port: Port, inputs: tuple[Tensor, ...], targets: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """How far each layer is from its target, driven alone."""
        taps = tuple(port.measure(x, first=i, last=i).out for i, x in enumerate(inputs))
        return tuple(y - t for y, t in zip(self._transferred(taps), targets, strict=True))

    def _gradient(
        self, spec: Spec, residuals: tuple[Tensor, ...], inputs: tuple[Tensor, ...], sent: Knobs | None
    ) -> Knobs:
        each = zip(spec.layers, residuals, inputs, strict=True)
        down = tuple(knob_gradient(la, r, x, precision=spec.precision) for la, r, x in each)
        return down if sent is None else tuple(g + self.proximal * s for g, s in zip(down, sent, strict=True))
