"""How well a learner aims: its estimate from one batch beside the exact gradient of what it descends."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator
from torch import Tensor
from torch.nn.functional import cosine_similarity

from analog import Chip
from analog import Knobs
from analog import Layer
from analog import Probe
from analog import Reading
from analog import xray
from analog.port import Port
from analog.port import rewired
from learners import Batch
from learners import CrossEntropy
from learners import decorrelated
from learners import mixed
from learners.learner import Learner

LOSS = CrossEntropy()


def estimate(learner: Learner[Any], port: Port, batch: Batch, state: Any, generator: Generator) -> Knobs:
    """The gradient that a learner estimates now, without pulsing; it was made with the update `sgd(1)`."""
    sent: list[Knobs] = []
    learner.step(port._replace(pulse=sent.append), batch, state, generator)
    (drive,) = sent
    return tuple(-d for d in drive)


def cosine(estimated: Sequence[Tensor], exact: Sequence[Tensor], fleet: int) -> Tensor:  # (fleet,)
    """Between two gradients at the knobs of the same layers, all of a chip's taken together."""
    a, b = (torch.cat([k.reshape(fleet, -1).double() for k in g], -1) for g in (estimated, exact))
    return cosine_similarity(a, b, -1)


def whole(chip: Chip[Any], batch: Batch) -> Knobs:
    """Of the loss at the chip's outputs, at the knobs of its hidden layers."""
    return xray.knob_gradient(chip, batch.x, batch.target, LOSS)[:-1]


def local(chip: Chip[Any], batch: Batch, head: Layer, heads: Sequence[Tensor]) -> Knobs:
    """Of each hidden layer's loss at its own digital read-out; the last one's at the chip's outputs.

    Args:
        heads: (*fleet, 1, classes, cols) each, of all hidden layers but the last.
    """
    made: list[Tensor] = []
    taps = xray.respond(chip, batch.x).taps
    for at, (given, knobs) in enumerate(zip((batch.x, *taps), heads, strict=False)):

        def through(out: Tensor, target: Tensor, knobs: Tensor = knobs) -> Tensor:
            return LOSS(head.scatter(head.gather(out) @ knobs.mT), target)

        made += xray.knob_gradient(chip, given, batch.target, through, first=at, last=at)
    last = len(heads)
    given = taps[last - 1] if last else batch.x
    return (*made, xray.knob_gradient(chip, given, batch.target, LOSS, first=last)[0])


def between(chip: Chip[Any], batch: Batch, mixers: Sequence[Tensor]) -> Knobs:
    """Of the loss at the outputs of a chip driven through decorrelating matrices, at its hidden layers."""
    inputs = [mixed(batch.x, mixers[0])]
    for at, mixer in enumerate(mixers[1:]):
        inputs.append(mixed(xray.respond(chip, inputs[-1], first=at, last=at).out, mixer))
    top = len(inputs) - 1
    slope = xray.input_gradient(chip, inputs[top], batch.target, LOSS, first=top)
    made: list[Tensor] = []
    for at in reversed(range(top)):
        slope = slope @ mixers[at + 1]
        made += xray.knob_gradient(chip, inputs[at], slope, _along, first=at, last=at)
        slope = xray.input_gradient(chip, inputs[at], slope, _along, first=at, last=at)
    return tuple(reversed(made))


def _along(out: Tensor, slope: Tensor) -> Tensor:
    """A loss of that slope."""
    return (out * slope).sum(-1)


def through(port: Port, mixers: tuple[Tensor, ...]) -> Port:
    """The wires of a chip with all its decorrelating matrices, the first one's too; for whole readings."""
    inner = decorrelated(port, mixers)

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        return inner.measure(mixed(x, mixers[0]) if first == 0 else x, probe, first=first, last=last)

    return rewired(port, read)
