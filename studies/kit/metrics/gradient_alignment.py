"""Gradient alignment: what a learner estimates from one batch beside the exact gradient of its objective."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import cosine_similarity

from analog import Chip, Knobs, Layer, xray
from analog.port import Port
from learners import Batch, CrossEntropy
from learners.learner import Learner
from learners.wiring import decorrelate, decorrelated, layer_by_layer

LOSS = CrossEntropy()


def estimate(learner: Learner, port: Port, batch: Batch, state: Any, generator: Generator) -> Knobs:
    """The gradient that a learner estimates now, without pulsing; its update has to be `sgd(1)`."""
    sent: list[Knobs] = []
    learner.step(port._replace(pulse=sent.append), batch, state, generator)
    (drive,) = sent
    return tuple(-d for d in drive)


def cosine(estimated: Sequence[Tensor], exact: Sequence[Tensor], chips: int) -> Tensor:  # (chips,)
    """The cosine between two gradients at the knobs of the same layers, all of a chip's taken together."""
    a, b = (torch.cat([k.reshape(chips, -1).double() for k in g], -1) for g in (estimated, exact))
    return cosine_similarity(a, b, -1)


def hidden_gradient(chip: Chip, batch: Batch) -> Knobs:
    """The exact gradient of the loss at the chip's outputs, at the knobs of its hidden layers."""
    return xray.knob_gradient(chip, batch.x, batch.target, LOSS)[:-1]


def local_gradient(chip: Chip, batch: Batch, head: Layer, heads: Sequence[Tensor]) -> Knobs:
    """The exact gradient of each hidden layer's loss at its own read-out, the last one's at the outputs.

    Args:
        heads: knobs (*fleet, 1, classes, cols) of the digital read-outs of all hidden layers but the last.
    """
    gradient: list[Tensor] = []
    inputs = (batch.x, *xray.respond(chip, batch.x).taps)
    for layer, knobs in enumerate(heads):

        def loss_at_head(out: Tensor, target: Tensor, knobs: Tensor = knobs) -> Tensor:
            return LOSS(head.scatter(head.gather(out) @ knobs.mT), target)

        gradient += xray.knob_gradient(
            chip, inputs[layer], batch.target, loss_at_head, first=layer, last=layer
        )
    last = len(heads)
    return (*gradient, xray.knob_gradient(chip, inputs[last], batch.target, LOSS, first=last)[0])


def decorrelated_gradient(chip: Chip, batch: Batch, decorrelators: Sequence[Tensor]) -> Knobs:
    """The exact gradient at the hidden layers of a chip that is driven through decorrelating matrices.

    Args:
        decorrelators: one for each layer, (*fleet, features_in, features_in).
    """
    inputs = [decorrelate(batch.x, decorrelators[0])]
    for layer, decorrelator in enumerate(decorrelators[1:]):
        out = xray.respond(chip, inputs[-1], first=layer, last=layer).out
        inputs.append(decorrelate(out, decorrelator))
    top = len(inputs) - 1
    gradient: list[Tensor] = []
    at_input = xray.input_gradient(chip, inputs[top], batch.target, LOSS, first=top)
    for layer in reversed(range(top)):
        at_tap = at_input @ decorrelators[layer + 1]
        gradient += xray.knob_gradient(chip, inputs[layer], at_tap, _inner, first=layer, last=layer)
        at_input = xray.input_gradient(chip, inputs[layer], at_tap, _inner, first=layer, last=layer)
    return tuple(reversed(gradient))


def _inner(out: Tensor, gradient: Tensor) -> Tensor:  # (..., batch)
    """A loss that has this gradient at the outputs."""
    return (out * gradient).sum(-1)


def fully_decorrelated(port: Port, decorrelators: Sequence[Tensor]) -> Port:
    """The wires of a chip with all its decorrelating matrices, the first one's too.

    Args:
        decorrelators: one for each layer, (*fleet, features_in, features_in).
    """
    return layer_by_layer(
        decorrelated(port, decorrelators),
        before=lambda layer, x: x if layer else decorrelate(x, decorrelators[0]),
    )
