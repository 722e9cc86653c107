"""Learners by fixed random matrices that carry errors back: what they have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port, Reading
from analog.spec import Spec

from ..access import taps_access
from ..estimators.estimate import judge_baseline
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..node_descent import descend_nodes
from ..updates.record import Update, require_update


class FeedbackState(NamedTuple):
    """The state of a learner by fixed random feedback."""

    update: Any
    feedback: tuple[Tensor, ...] | None  # (*fleet, rows, errors) each; None before the first step


def draw_feedback(
    shapes: Iterable[tuple[int, int]], scale: float, spec: Spec, generator: Generator
) -> tuple[Tensor, ...]:
    """Draw normal matrices that carry errors back, every chip of a fleet its own.

    Args:
        shapes: (rows, errors) of each matrix.
        scale: sd of each entry, and so of what comes back of an error of length 1.
        spec: says of how many chips, and where tensors live.
        generator: the learner's own.

    Returns:
        (*fleet, rows, errors) each.
    """
    return tuple(
        scale * torch.randn((*spec.fleet, *shape), generator=generator, dtype=spec.dtype, device=spec.on)
        for shape in shapes
    )


@dataclass(frozen=True)
class RandomFeedback(ABC):
    """A learner that carries the gradient at the outputs back by matrices that are drawn once, at random.

    Args:
        update: turns what stands for the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        scale: of the random matrices.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: the scale is out of its range, or the loss does not know its gradient.
    """

    update: Update
    loss: Loss
    scale: float = 1.0

    def __post_init__(self) -> None:
        name = type(self).__name__
        require_update(self.update, f"{name}: update")
        known_gradient(self.loss, name)
        if not 0 < self.scale < float("inf"):
            raise ValueError(f"{name}: scale is {self.scale}, wanted a finite number above 0")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: all taps, and no probes."""
        return taps_access(spec, node_probes=False)

    def init(self, spec: Spec) -> FeedbackState:
        """The state before the first step, at which the matrices are drawn.

        Raises:
            ValueError: the chip relaxes, so its nodes answer to those above them too.
        """
        if spec.synapse != "one-way":
            raise ValueError(
                f"{type(self).__name__}: the chip relaxes (synapse {spec.synapse!r}), wanted a one-way chip"
            )
        return FeedbackState(self.update.init(spec.zeros()), None)

    def step(
        self, port: Port, batch: Batch, state: FeedbackState, generator: Generator
    ) -> tuple[FeedbackState, Step]:
        """Read the batch, carry its errors back, and pulse the chip once."""
        reading = port.measure(batch.x)
        baseline = judge_baseline(self.loss, batch.x, batch.target, reading)
        error = baseline.output_gradient
        assert error is not None  # the loss knows it
        feedback = self.draw(port.spec, generator) if state.feedback is None else state.feedback
        nodes, inputs = self.carry_back(port, batch.x, reading, feedback, error)
        update, step = descend_nodes(port, baseline, nodes, inputs, self.update, state.update)
        return FeedbackState(update, feedback), step

    @abstractmethod
    def draw(self, spec: Spec, generator: Generator) -> tuple[Tensor, ...]:
        """Draw the matrices, (*fleet, rows, errors) each."""
        ...

    @abstractmethod
    def carry_back(
        self, port: Port, x: Tensor, reading: Reading, feedback: tuple[Tensor, ...], error: Tensor
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Say what stands for the gradient at each layer's nodes, and what drove the layer then.

        Args:
            port: the chip's wires, for those that read again.
            x: (batch, features_in) or (*fleet, batch, features_in).
            reading: of x.
            feedback: the matrices.
            error: (*fleet, batch, outputs), the gradient at the outputs.

        Returns:
            (*fleet, batch, features) of each layer, and its inputs (*fleet, batch, features_in).
        """
        ...
