"""Target propagation: learned inverses carry the wanted output down, and every layer learns its target.

LeCun, "Learning process in an asymmetric threshold network" (1986),
https://doi.org/10.1007/978-3-642-82657-3_24; Bengio, "How auto-encoders could provide credit assignment in
deep networks via target propagation" (2014), https://arxiv.org/abs/1407.7906; difference target propagation:
Lee, Zhang, Fischer and Bengio (2015), https://arxiv.org/abs/1412.7525, equations 15 and 16. With h_l what
layer l shows, f_l the layer and b_l its learned inverse:

    top       t = y - gamma dL/da, y the outputs, a their sums (for squared error y - gamma (y - target))
    plain     t_{l-1} = b_l(t_l)
    difference t_{l-1} = h_{l-1} + b_l(t_l) - b_l(h_l), which is h_{l-1} where t_l = h_l, however bad b_l is
    layers    down |f_l(h_{l-1}) - t_l|^2 / 2
    inverses  down |b_l(f_l(z)) - z|^2 / 2 at z = h_{l-1} + noise

Where we differ and why: the target below the read-out comes through an inverse too (the authors take a
gradient step there); inverses are digital, b(y) = f(Vy + c), and start at zero, where nothing below the
read-out moves until they have learned something; on a chip f_l(z) is read from the layer driven alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.layers.crossbar import Dense, dense
from analog.layers.recurrence import require_stateless
from analog.port import Port
from analog.spec import Knobs, Spec

from ..access import spans_access
from ..estimators.estimate import judge_baseline
from ..estimators.gradient import knob_gradient
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..updates.record import Update
from .activations import Activation, identity


class _State(NamedTuple):
    """The memory of `TargetPropagation`."""

    update: Any
    inverses: Knobs  # of every layer but the first, (*fleet, 1, features_in, features + 1)
    inverse_update: Any


@dataclass(frozen=True)
class TargetPropagation:
    """A learner whose layers learn targets that learned inverses carry down.

    Args:
        activation: of the hidden layers, as far as known: its derivative, told from outputs, enters the
            layers' gradients, and inverses end in it. The identity leaves derivatives out, as the loss that
            matches any activation does.
        output_activation: goes with the loss: `sigmoid` with binary cross-entropy, the identity with squared
            error.
        noise: sd of what is added to a layer's inputs while its inverse learns.

    Raises:
        ValueError: `gamma` or `noise` is out of its range, or the loss does not know its gradient.
    """

    update: Update
    inverse_update: Update
    loss: Loss
    gamma: float
    activation: Activation = identity
    output_activation: Activation = identity
    noise: float = 0.1
    difference: bool = True

    def __post_init__(self) -> None:
        known_gradient(self.loss, "TargetPropagation")
        if not 0 < self.gamma < float("inf") or not 0 <= self.noise < float("inf"):
            raise ValueError(
                f"TargetPropagation: gamma is above 0 and noise at least 0, got {self.gamma} and {self.noise}"
            )

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans, for every layer is driven alone near what drove it; no probes."""
        return spans_access(spec, node_probes=False)

    def init(self, spec: Spec) -> _State:
        """Inverses at zero, and the states of both updates.

        Raises:
            ValueError: the chip's last layer is not a linear read-out, or a layer has a state.
        """
        require_stateless(spec.layers, "TargetPropagation")
        if not spec.layers[-1].linear:
            raise ValueError("TargetPropagation: needs a linear read-out as the last layer")
        blank = torch.zeros((), dtype=spec.dtype, device=spec.on)
        inverses = tuple(
            blank.expand(*spec.fleet, 1, layer.rows, layer.cols).clone()
            for layer in self._inverse_layers(spec)
        )
        return _State(self.update.init(spec.zeros()), inverses, self.inverse_update.init(inverses))

    def step(self, port: Port, batch: Batch, state: _State, generator: Generator) -> tuple[_State, Step]:
        baseline = port.measure(batch.x)
        judged = judge_baseline(self.loss, batch.x, batch.target, baseline)
        losses, at_outputs = judged.losses, judged.output_gradient
        assert at_outputs is not None  # the loss knows it
        activities = (*baseline.taps[:-1], self.output_activation.forward(baseline.out))
        knobs, inverse_update = self._step_inverses(port, baseline.taps, state, generator)
        inverses = [self._inverse(*pair) for pair in zip(self._inverse_layers(port.spec), knobs, strict=True)]
        top = activities[-1] - self.gamma * at_outputs
        targets = propagate_targets(activities, top, inverses, difference=self.difference)
        gradient = [
            knob_gradient(
                layer,
                (h - t) * (h.new_ones(()) if layer.linear else self.activation.derivative(h)),
                x,
                precision=port.spec.precision,
            )
            for layer, h, t, x in zip(
                port.spec.layers, activities, targets, (batch.x, *baseline.taps[:-1]), strict=True
            )
        ]
        drive, update = self.update.step(tuple(gradient), state.update)
        port.pulse(drive)
        return _State(update, knobs, inverse_update), Step(losses.sum(-1).mean(-1), baseline)

    def _inverse_layers(self, spec: Spec) -> tuple[Dense, ...]:
        """The wiring of each inverse, from what a layer but the first shows to what drove it."""
        return tuple(
            dense(layer.features, layer.features_in, linear=below.linear)
            for below, layer in zip(spec.layers, spec.layers[1:], strict=False)
        )

    def _inverse(self, layer: Dense, knobs: Tensor) -> Callable[[Tensor], Tensor]:
        activation = identity if layer.linear else self.activation
        return lambda y: activation.forward(layer.scatter(layer.gather(y) @ knobs.mT))

    def _step_inverses(
        self, port: Port, taps: tuple[Tensor, ...], state: _State, generator: Generator
    ) -> tuple[Knobs, Any]:
        """The inverses a step better: each layer is driven alone, near what drives it, and read."""
        gradient = []
        pairs = zip(self._inverse_layers(port.spec), state.inverses, strict=True)
        for number, (layer, knobs) in enumerate(pairs, 1):
            x = taps[number - 1]
            x = x + self.noise * torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
            out = port.measure(x, first=number, last=number).out
            out = self.output_activation.forward(out) if number == len(taps) - 1 else out
            reconstruction = self._inverse(layer, knobs)(out)
            derivative = 1.0 if layer.linear else self.activation.derivative(reconstruction)
            error = (reconstruction - x) * derivative
            gradient.append(knob_gradient(layer, error, out, precision=port.spec.precision))
        drive, update = self.inverse_update.step(tuple(gradient), state.inverse_update)
        return tuple(v + d for v, d in zip(state.inverses, drive, strict=True)), update


def propagate_targets(
    activities: Sequence[Tensor],
    top: Tensor,
    inverses: Sequence[Callable[[Tensor], Tensor]],
    *,
    difference: bool,
) -> tuple[Tensor, ...]:
    """The target of every layer, from the top's: what the layer above should have been driven by.

    Args:
        activities: what each layer shows, (..., batch, features).
        top: the last layer's target, (..., batch, features).
        inverses: one of each layer but the first.
        difference: whether targets are corrected by what the inverse makes of the activity itself.
    """
    targets = [top]
    for below, here, inverse in zip(activities[-2::-1], activities[:0:-1], inverses[::-1], strict=True):
        carried = inverse(targets[-1])
        targets.append(below + (carried - inverse(here)) if difference else carried)
    return tuple(targets[::-1])
