"""Measured feedback: a backward model of a chip is read through its wires, and carries gradients down.

Forward through the hardware and backward through a model of it is physics-aware training, Wright, Onodera,
Stein, Wang, Schachter, Hu and McMahon, "Deep physical neural networks trained with backpropagation" (2022),
https://doi.org/10.1038/s41586-021-04223-6. Where we differ: nothing is given; the model is the chip's own
response, measured again and again while the chip learns, by as many reads as a layer has inputs.
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

from .access import spans_access
from .estimators.estimate import judge_baseline
from .estimators.gradient import active_nodes
from .learner import Batch, Step
from .losses import Loss, known_gradient
from .node_descent import by_matrix, carry_down, descend_nodes
from .updates.record import Update, require_update


class LayerResponse(NamedTuple):
    """The statistics of one layer's response: fading sums over readings at which a node was active."""

    changes: Tensor  # (*fleet, features_in, features), of each tap's change per change of each input
    readings: Tensor  # the same, how many there were

    @property
    def mean(self) -> Tensor:
        """The change of each tap per change of each input, (*fleet, features_in, features); 0 if unknown."""
        return self.changes / self.readings.clamp(min=torch.finfo(self.readings.dtype).tiny)


class MeasuredState(NamedTuple):
    """The state of `MeasuredFeedback` from step to step."""

    update: Any
    responses: tuple[LayerResponse, ...]  # of every layer but the first
    steps: int


@dataclass(frozen=True)
class MeasuredFeedback:
    """A learner that measures how each layer answers to its inputs, and carries gradients down by that.

    Every layer above the first is driven alone by what drove it in one example of the batch, and by the same
    with one input raised at a time; what its taps then differ by is the column of a matrix. Gradients go from
    the outputs down through these matrices, wherever a neuron was active (its tap not exactly 0); a neuron's
    own derivative counts as 1 there. No probe is sent; of a chip of one layer the outputs are enough.

    Args:
        update: turns the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        size: V, by which an input is raised.
        every: steps from one measurement of the matrices to the next.
        reads: how often each of their entries is read at a time.
        decay: of earlier measurements, each time that there is a new one.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: a setting is out of its range, or the loss does not know its gradient.
    """

    update: Update
    loss: Loss
    size: float = 1.0
    every: int = 5
    reads: int = 1
    decay: float = 0.8

    def __post_init__(self) -> None:
        require_update(self.update, "MeasuredFeedback: update")
        known_gradient(self.loss, "MeasuredFeedback")
        if not 0 < self.size < float("inf"):
            raise ValueError(f"MeasuredFeedback: size is {self.size}, wanted a finite size above 0")
        for name, count in (("every", self.every), ("reads", self.reads)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"MeasuredFeedback: {name} is {count!r}, wanted an integer of at least 1")
        if not 0 <= self.decay < 1:
            raise ValueError(f"MeasuredFeedback: decay is {self.decay}, wanted 0 <= decay < 1")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans of a chip of several layers, and no probes."""
        return spans_access(spec, node_probes=False)

    def init(self, spec: Spec) -> MeasuredState:
        """Matrices of which nothing is known.

        Raises:
            ValueError: a layer has a state, whose answer to what it did before is not measured.
        """
        require_stateless(spec.layers, "MeasuredFeedback")
        zero = torch.zeros((), dtype=spec.dtype, device=spec.on)

        def response(layer: Layer) -> LayerResponse:
            zeros = zero.expand(*spec.fleet, layer.features_in, layer.features)
            return LayerResponse(zeros, zeros)

        return MeasuredState(self.update.init(spec.zeros()), tuple(map(response, spec.layers[1:])), 0)

    def step(
        self, port: Port, batch: Batch, state: MeasuredState, generator: Generator
    ) -> tuple[MeasuredState, Step]:
        """Read the batch, measure the matrices when it is time to, and pulse the chip once."""
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        inputs = (batch.x, *reading.taps[:-1])
        responses = state.responses
        if state.steps % self.every == 0 and responses:
            example = torch.randint(batch.x.shape[-2], (1,), generator=generator, device=generator.device)
            responses = tuple(
                self._refresh(port, layer, inputs[layer].index_select(-2, example), response)
                for layer, response in enumerate(responses, 1)
            )
        assert baseline.output_gradient is not None  # the loss knows it
        back = [by_matrix(response.mean) for response in responses]
        nodes = carry_down(port.spec, reading.taps, back, baseline.output_gradient)
        update, step = descend_nodes(port, baseline, nodes, inputs, self.update, state.update)
        return MeasuredState(update, responses, state.steps + 1), step

    def _refresh(self, port: Port, at: int, inputs: Tensor, before: LayerResponse) -> LayerResponse:
        """A layer's response, measured once more around the inputs (*fleet, 1, features_in) of an example."""
        now = measure_response(port, at, inputs, self.size, self.reads)
        return LayerResponse(
            before.changes * self.decay + now.changes, before.readings * self.decay + now.readings
        )


def measure_response(port: Port, at: int, inputs: Tensor, size: float, reads: int = 1) -> LayerResponse:
    """Measure how a layer's taps answer to its inputs, each raised by itself, around one example.

    Args:
        port: the wires of the whole chip.
        at: the layer.
        inputs: what drives it in the example, (*fleet, 1, features_in).
        size: V, by which an input is raised.
        reads: how often each is read.

    Returns:
        Sums over the reads at which a node was active with and without.
    """
    layer = port.spec.layers[at]
    raised = inputs + size * torch.eye(layer.features_in, dtype=inputs.dtype, device=inputs.device)
    x = torch.cat((inputs, raised), -2)
    taps = port.measure(x.expand(reads, *x.shape), first=at, last=at).out
    resting, moved = taps[..., :1, :], taps[..., 1:, :]
    seen = (active_nodes(layer, resting) * active_nodes(layer, moved)).expand_as(moved)
    change = (moved - resting) * seen / size
    return LayerResponse(change.sum(0), seen.sum(0))
