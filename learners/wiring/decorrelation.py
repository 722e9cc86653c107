"""Decorrelated inputs: a digital matrix before every layer takes out what its inputs have in common.

Dalm, Offergeld, Ahmad and van Gerven, "Effective learning with node perturbation in multi-layer neural
networks" (2023), after Ahmad, Schrader and van Gerven (2023): a layer is driven with x^ = R x, and
R <- R - rate * offdiag(mean x^ x^') R. The slope at a node, once estimated, is laid to each input alone and
not to what inputs have in common.

Where we differ: R lives in the wiring around the chip, so layers are driven one by one through their spans,
and the taps of hidden layers are shown after R, as what drives the next layer (so nothing on these wires
is exactly 0 any more, and masking silent neurons has no effect). The rate is divided by the mean square
input, so that it has no unit.
"""

from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.port import Probe
from analog.port import Reading
from analog.port import rewired
from analog.spec import Spec

from ..learner import Batch
from ..learner import Learner
from ..learner import Step
from .parts import alike

Mixers = tuple[Tensor, ...]  # one per layer, (*fleet, features_in, features_in)


class Decorrelating(NamedTuple):
    """Memory of `Decorrelated`: the matrices, and what the learner inside remembers."""

    mixers: Mixers
    inner: Any


def mixed(x: Tensor, mixer: Tensor) -> Tensor:
    """x^ = R x for each example: (..., batch, features_in) -> the same."""
    return x @ mixer.mT


def decorrelated(port: Port, mixers: Mixers) -> Port:
    """The same wires with the matrices of all layers but the first in the wiring.

    What drives the first layer of a measurement is taken as it is given, so mix x before, with `mixed`:
    every activity on these wires is what drives a layer, after its matrix.
    """

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps: list[Tensor] = []
        for i in range(first, last + 1):
            (tap,) = port.measure(x, probe.part(i - first, i - first), first=i, last=i).taps
            x = tap if i == last else mixed(tap, mixers[i + 1])
            taps.append(x)
        return Reading(alike(taps))

    return rewired(port, read)


@dataclass(frozen=True)
class Decorrelated:
    """A learner whose chip is driven with decorrelated inputs; to use the chip later keep its matrices.

    Measure a trained chip through `decorrelated(port, state.mixers)` with `mixed(x, state.mixers[0])`.
    """

    learner: Learner[Any]
    rate: float  # of the matrices, per step, relative to the mean square of the inputs

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"Decorrelated: rate is {self.rate}, wanted 0 <= rate < 1")

    def init(self, spec: Spec) -> Decorrelating:
        eyes = (torch.eye(la.features_in, dtype=spec.dtype, device=spec.on) for la in spec.layers)
        return Decorrelating(
            tuple(e.expand(*spec.fleet, *e.shape).clone() for e in eyes), self.learner.init(spec)
        )

    def step(
        self, port: Port, batch: Batch, state: Decorrelating, generator: Generator
    ) -> tuple[Decorrelating, Step]:
        x = mixed(batch.x, state.mixers[0])
        wires = decorrelated(port, state.mixers)
        inner, step = self.learner.step(wires, batch._replace(x=x), state.inner, generator)
        inputs = (x, *step.baseline.taps[:-1])
        mixers = tuple(self._refined(m, z) for m, z in zip(state.mixers, inputs, strict=True))
        return Decorrelating(mixers, inner), step

    def _refined(self, mixer: Tensor, z: Tensor) -> Tensor:
        together = z.mT @ z / z.shape[-2]
        own = together.diagonal(dim1=-2, dim2=-1)
        scale = self.rate / own.mean(-1)[..., None, None].clamp(min=torch.finfo(z.dtype).tiny)
        return mixer - scale * (together - torch.diag_embed(own)) @ mixer
