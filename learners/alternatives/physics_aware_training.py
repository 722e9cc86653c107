"""Physics-aware training: forward through the hardware, backward through a digital twin of it.

Wright, Onodera, Stein, Wang, Schachter, Hu and McMahon, "Deep physical neural networks trained with
backpropagation" (2022), https://doi.org/10.1038/s41586-021-04223-6: what the hardware shows enters the loss
and the neurons' derivatives, and a model in between says how errors go down.

Where we differ: the twin is no network fitted to the hardware beforehand but each layer's response, read
through the wires before the first step; from then on it believes that every drive did what it said. What
cells make of their pulses it does not see, so that it goes astray as they do; `MeasuredFeedback` reads the
responses again and again.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.layers.crossbar import Layer
from analog.layers.recurrence import require_stateless
from analog.port import Port
from analog.spec import Spec

from ..access import spans_access
from ..estimators.estimate import judge_baseline
from ..learner import Batch, Learner, Step
from ..losses import Loss, known_gradient
from ..measured_feedback import measure_response
from ..node_descent import by_matrix, carry_down, descend_nodes
from ..recipes import INPUT_SIZE, LEARNING_RATE
from ..unscheduled import with_adam
from ..updates.record import Update, require_update


class TwinState(NamedTuple):
    """The state of `PhysicsAwareTraining` from step to step."""

    update: Any
    twin: tuple[Tensor, ...] | None  # (*fleet, features_in, features) of layers above the first; None: unread


def response_of(layer: Layer, knobs: Tensor) -> Tensor:
    """The response that knobs of a layer would have if cells were ideal: a row for each of its inputs.

    Args:
        layer: the wiring.
        knobs: (*fleet, tiles, rows, cols)

    Returns:
        (*fleet, features_in, features), of each sum per input.
    """
    lines = torch.eye(layer.features_in + 1, layer.features_in, dtype=knobs.dtype, device=knobs.device)
    sums = layer.scatter(layer.gather(lines) @ knobs.mT)
    return sums[..., :-1, :] - sums[..., -1:, :]  # the last is that of no input


@dataclass(frozen=True)
class PhysicsAwareTraining:
    """A learner that carries gradients down by a twin, read once through the wires and then kept by belief.

    Args:
        update: turns the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        size: V, by which an input is raised when the twin is read.
        examples: around which it is read, of the first batch.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: a setting is out of its range, or the loss does not know its gradient.
    """

    update: Update
    loss: Loss
    size: float = INPUT_SIZE
    examples: int = 16

    def __post_init__(self) -> None:
        require_update(self.update, "PhysicsAwareTraining: update")
        known_gradient(self.loss, "PhysicsAwareTraining")
        if not 0 < self.size < float("inf"):
            raise ValueError(f"PhysicsAwareTraining: size is {self.size}, wanted a finite size above 0")
        count = self.examples
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"PhysicsAwareTraining: examples is {count!r}, wanted an integer of at least 1")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans of a chip of several layers, and no probes."""
        return spans_access(spec, node_probes=False)

    def init(self, spec: Spec) -> TwinState:
        """Make the state in which no twin was read yet.

        Raises:
            ValueError: a layer has a state, which the twin has not.
        """
        require_stateless(spec.layers, "PhysicsAwareTraining")
        return TwinState(self.update.init(spec.zeros()), None)

    def step(
        self, port: Port, batch: Batch, state: TwinState, generator: Generator
    ) -> tuple[TwinState, Step]:
        """Read the batch, carry its errors down through the twin, and pulse chip and twin alike."""
        del generator  # nothing is drawn
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        inputs = (batch.x, *reading.taps[:-1])
        _ = baseline.losses  # refused before anything else is read
        assert baseline.output_gradient is not None  # the loss knows it
        twin = self._read(port, inputs) if state.twin is None else state.twin
        nodes = carry_down(port.spec, reading.taps, [*map(by_matrix, twin)], baseline.output_gradient)
        sent: list[tuple[Tensor, ...]] = []

        def pulse(drive: tuple[Tensor, ...]) -> None:
            sent.append(drive)
            port.pulse(drive)

        believing = port._replace(pulse=pulse)
        update, step = descend_nodes(believing, baseline, nodes, inputs, self.update, state.update)
        layers = port.spec.layers[1:]
        for drive in sent:
            changes = (response_of(layer, part) for layer, part in zip(layers, drive[1:], strict=True))
            twin = tuple(before + change for before, change in zip(twin, changes, strict=True))
        return TwinState(update, twin), step

    def _read(self, port: Port, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The response of every layer but the first, in the mean over examples at which a node was active."""
        found = []
        for at in range(1, len(port.spec.layers)):
            readings = [
                measure_response(port, at, inputs[at][..., k : k + 1, :], self.size)
                for k in range(min(self.examples, inputs[at].shape[-2]))
            ]
            changes, counts = (sum(part[1:], part[0]) for part in zip(*readings, strict=True))
            found.append(changes / counts.clamp(min=1))
        return tuple(found)


def physics_aware_training(
    loss: Loss,
    *,
    learning_rate: float = LEARNING_RATE,
    size: float = INPUT_SIZE,
    examples: int = 16,
    update: Update | None = None,
    steps: int | None = None,
) -> Learner:
    """Physics-aware training descended by Adam; its twin is read once through the wires, and then believed.

    Args:
        loss: one that knows its gradient.
        learning_rate: of Adam, at the beginning.
        size: V, by which an input is raised when the twin is read.
        examples: around which it is read, of the first batch.
        update: in place of Adam with a falling learning rate.
        steps: how long the training is; None where `train` will say.
    """

    def learner(update: Update) -> Learner:
        return PhysicsAwareTraining(update, loss, size, examples)

    return with_adam("physics_aware_training", loss, learner, learning_rate, update, steps)
