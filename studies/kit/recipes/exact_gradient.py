"""The reference that no real hardware allows: descent of the exact gradient of a chip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Generator, Tensor

from analog import Chip, Knobs, Port, Reading, Spec, xray
from analog.layers import Preparation
from learners import Batch, Loss, Step, Update
from learners.losses import known_gradient
from learners.node_descent import read_layers


@dataclass(frozen=True)
class ExactGradient:
    """A learner that descends the exact gradient of this very chip, by x-ray."""

    chip: Chip
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


@dataclass(frozen=True)
class ExactGradientBetween:
    """The same for a chip with digital wiring between its layers, each at what the chip's noisy taps drive.

    Args:
        between: from each tap but the last to what drives the layer above it.
    """

    chip: Chip
    update: Update
    loss: Loss
    between: Sequence[Preparation]

    def init(self, spec: Spec) -> Any:
        return self.update.init(spec.zeros())

    def step(self, port: Port, batch: Batch, state: Any, generator: Generator) -> tuple[Any, Step]:
        del generator  # nothing is probed
        inputs, taps = read_layers(port, batch.x, self.between)
        error = known_gradient(self.loss, "ExactGradientBetween")(taps[-1], batch.target)
        gradients: list[Knobs] = []
        for at in reversed(range(len(taps))):
            gradients.insert(0, xray.knob_gradient(self.chip, inputs[at], error, _product, first=at, last=at))
            if at:
                below = xray.input_gradient(self.chip, inputs[at], error, _product, first=at, last=at)
                error = self.between[at - 1].pull_back(taps[at - 1], below)
        drive, state = self.update.step(tuple(knobs for (knobs,) in gradients), state)
        port.pulse(drive)
        return state, Step(self.loss(taps[-1], batch.target).mean(-1), Reading(taps))


def _product(out: Tensor, gradient: Tensor) -> Tensor:
    """The sum whose gradient at the outputs is `gradient`, (..., batch)."""
    return (out * gradient).sum(-1)
