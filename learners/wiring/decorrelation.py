"""Decorrelated inputs: a digital matrix before every layer takes out what its inputs have in common.

Dalm, Offergeld, Ahmad and van Gerven, "Effective learning with node perturbation in multi-layer neural
networks" (2023), https://arxiv.org/abs/2310.00965, after Ahmad, Schrader and van Gerven, "Constrained
parameter inference as a principle for learning" (2023), https://arxiv.org/abs/2203.13203: a layer is driven
with x^ = R x, and R <- R - rate * offdiag(mean x^ x^') R. The gradient at a node, once estimated, is laid to
each input alone and not to what inputs have in common.

Where we differ: R lives in the wiring around the chip, so layers are driven one by one through their spans,
and the taps of hidden layers are shown after R, as what drives the next layer (so nothing on these wires
is exactly 0 any more, and masking inactive neurons has no effect). The rate is divided by the mean square
input, so that it has no unit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port
from analog.spec import Spec

from ..access import needed_access, spans_access
from ..learner import Batch, Learner, Step
from .layer_by_layer import layer_by_layer


class _State(NamedTuple):
    """The memory of `Decorrelated`."""

    decorrelators: tuple[Tensor, ...]  # one per layer, (*fleet, features_in, features_in)
    learner: Any


def decorrelate(x: Tensor, decorrelator: Tensor) -> Tensor:
    """Each example's decorrelated inputs, x^ = R x.

    Args:
        x: (..., batch, features_in).
        decorrelator: R, (*fleet, features_in, features_in).
    """
    return x @ decorrelator.mT


def decorrelated(port: Port, decorrelators: Sequence[Tensor]) -> Port:
    """The same wires with the matrices of all layers but the first in the wiring.

    Every activity on these wires is what drives a layer, after its matrix: taps show it so, and inputs of
    the first layer are to be given so, by `decorrelate`.

    Args:
        decorrelators: one for each layer, (*fleet, features_in, features_in).
    """
    top = len(port.spec.layers) - 1

    def after(layer: int, out: Tensor) -> Tensor:
        return out if layer == top else decorrelate(out, decorrelators[layer + 1])

    return layer_by_layer(port, after=after)


@dataclass(frozen=True)
class Decorrelated:
    """A learner whose chip is driven with decorrelated inputs; to use the chip later keep its matrices.

    Measure a trained chip through `decorrelated(port, state.decorrelators)` with
    `decorrelate(x, state.decorrelators[0])`.

    Raises:
        ValueError: `learning_rate` is out of its range.
    """

    learner: Learner
    learning_rate: float  # of the matrices, per step, relative to the mean square of the inputs

    def __post_init__(self) -> None:
        if not 0 <= self.learning_rate < 1:
            raise ValueError(
                f"Decorrelated: learning_rate is {self.learning_rate}, wanted 0 <= learning_rate < 1"
            )

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans, for layers are read one by one, and what the learner needs."""
        return spans_access(spec, node_probes=False) | needed_access(self.learner, spec)

    def init(self, spec: Spec) -> _State:
        eyes = (torch.eye(la.features_in, dtype=spec.dtype, device=spec.on) for la in spec.layers)
        decorrelators = tuple(e.expand(*spec.fleet, *e.shape).clone() for e in eyes)
        return _State(decorrelators, self.learner.init(spec))

    def step(self, port: Port, batch: Batch, state: _State, generator: Generator) -> tuple[_State, Step]:
        x = decorrelate(batch.x, state.decorrelators[0])
        wires = decorrelated(port, state.decorrelators)
        learner, step = self.learner.step(wires, batch._replace(x=x), state.learner, generator)
        inputs = (x, *step.baseline.taps[:-1])
        decorrelators = tuple(self._refined(r, z) for r, z in zip(state.decorrelators, inputs, strict=True))
        return _State(decorrelators, learner), step

    def _refined(self, decorrelator: Tensor, inputs: Tensor) -> Tensor:
        """A decorrelator after one step, from decorrelated inputs (*fleet, batch, features_in)."""
        correlation = inputs.mT @ inputs / inputs.shape[-2]
        power = correlation.diagonal(dim1=-2, dim2=-1)
        rate = self.learning_rate / power.mean(-1)[..., None, None].clamp(min=torch.finfo(inputs.dtype).tiny)
        return decorrelator - rate * (correlation - torch.diag_embed(power)) @ decorrelator
