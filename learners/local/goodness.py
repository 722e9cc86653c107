"""Goodness: how strongly a layer is active, and the local rule that raises it for what is real.

G. Hinton, "The forward-forward algorithm: some preliminary investigations" (2022),
https://arxiv.org/abs/2212.13345, section 2: a layer's goodness is its summed squared activity; p(real) =
sigmoid(goodness - threshold), and every layer by itself descends -log p(real) for real data and
-log(1 - p(real)) for fakes.

Where we differ: goodness is the mean of the squares, V^2, so that a threshold says how active a neuron is in
volts and suits a layer of any width; `sharpness` takes the place of the number of neurons, which a sum would
bring along (at 2,000 it saturates the sigmoid for most examples).

The rule is the loss's gradient at the taps times the layer's inputs: activity times input, up or down by how
wrongly the example was judged. Of the neuron it needs the derivative where the neuron is active (for an
inactive one activity is 0, and so is the rule); that of a rectifier is known to be 1 up to a gain, which
turns no sign. Where it is not known it is measured, for all neurons of the layer at once, because within a
layer no neuron hears of another's probe: one more reading, and far less noisy than one loss for all of them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import softplus

from analog.access import Access
from analog.layers.recurrence import require_stateless
from analog.port import Port, Probe, Reading
from analog.spec import Spec

from ..estimators.distributions import rademacher
from ..estimators.estimate import judge_baseline
from ..estimators.gradient import knob_gradient
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..updates.record import Update


def goodness(tap: Tensor) -> Tensor:
    """The mean squared activity of a layer, V^2: (..., batch, features) -> (..., batch)."""
    return tap.square().mean(-1)


@dataclass(frozen=True)
class GoodnessLoss(Loss):
    """The loss -log p(real) of real examples and -log(1 - p(real)) of fakes, in nats.

    It is softplus(-target * sharpness * (goodness - threshold)), target (..., batch) 1 for real, -1 for fake.

    Args:
        rectified: whether outputs below 0 count as 0, where neurons are linear and rectified digitally.

    Raises:
        ValueError: `threshold` or `sharpness` is not finite and above 0.
    """

    threshold: float = 1.0  # V^2
    sharpness: float = 15.0  # 1/V^2
    rectified: bool = False

    def __post_init__(self) -> None:
        if not all(0 < v < float("inf") for v in (self.threshold, self.sharpness)):
            raise ValueError(f"GoodnessLoss: threshold and sharpness are finite and above 0, got {self}")

    def value(self, out: Tensor, target: Tensor) -> Tensor:  # (..., batch, 1)
        return softplus(-self._margin(out, target)).unsqueeze(-1)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        """d loss / d out, (..., batch, features): every output scaled by how far its example is misjudged."""
        misjudged = torch.sigmoid(-self._margin(out, target)) * target
        return self._active(out) * (misjudged * (-2 * self.sharpness / out.shape[-1])).unsqueeze(-1)

    def _active(self, out: Tensor) -> Tensor:
        return out.relu() if self.rectified else out

    def _margin(self, out: Tensor, target: Tensor) -> Tensor:
        if not isinstance(target, Tensor) or target.shape[-1:] != out.shape[-2:-1]:
            got = tuple(target.shape) if isinstance(target, Tensor) else type(target).__name__
            raise ValueError(
                f"goodness: target is {got}, wanted (..., {out.shape[-2]}), 1 for real and -1 for fakes"
            )
        return target * (self.sharpness * (goodness(self._active(out)) - self.threshold))


@dataclass(frozen=True)
class Hebbian:
    """A learner of one layer by its inputs times the gradient of a loss of its activities, such as goodness.

    Args:
        probe_size: V, what is added at the summing nodes to measure the neurons' derivatives; None: they are
            rectifiers, of derivative 1 where active.

    Raises:
        ValueError: `probe_size` is not finite and above 0, or the loss does not know its gradient.
    """

    update: Update
    loss: Loss = GoodnessLoss()
    probe_size: float | None = None

    def __post_init__(self) -> None:
        known_gradient(self.loss, "Hebbian")
        if self.probe_size is not None and not 0 < self.probe_size < float("inf"):
            raise ValueError(
                f"Hebbian: probe_size is {self.probe_size}, wanted a finite size above 0, or None"
            )

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: the outputs of its one layer, and probes if it measures derivatives."""
        del spec  # has one layer
        return Access("outputs", node_probes=self.probe_size is not None)

    def init(self, spec: Spec) -> Any:
        """The update's state for a chip of one layer.

        Raises:
            ValueError: the chip has more layers, or its layer has a state.
        """
        require_stateless(spec.layers, "Hebbian")
        if len(spec.layers) != 1:
            raise ValueError(f"Hebbian: the rule is that of one layer, got {len(spec.layers)}")
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        baseline = port.measure(batch.x)
        judged = judge_baseline(self.loss, batch.x, batch.target, baseline)
        losses, delta = judged.losses, judged.output_gradient
        assert delta is not None  # the loss knows it
        if self.probe_size is not None:
            delta = delta * self._derivatives(self.probe_size, port, batch, baseline, generator)
        drive, state = self.update.step(
            (knob_gradient(port.spec.layers[0], delta, batch.x, precision=port.spec.precision),), state
        )
        port.pulse(drive)
        return state, Step(losses.sum(-1).mean(-1), baseline)

    @staticmethod
    def _derivatives(
        size: float, port: Port, batch: Batch, baseline: Reading, generator: Generator
    ) -> Tensor:  # (*fleet, batch, features)
        """Each neuron's derivative for every example: what a push of its node did to its tap, per volt."""
        spec, sides = port.spec, (*port.spec.fleet, batch.x.shape[-2])
        (signs,) = rademacher.draw(1, sides, [(spec.layers[0].features,)], spec, generator)
        pushed = port.measure(batch.x, Probe(nodes=(signs * size,)))
        return (pushed.out - baseline.out).squeeze(0) * (signs.squeeze(0) / size)
