"""Target propagation: learned inverses carry the wanted output down, and every layer learns its target.

LeCun (1986), Bengio (2014); difference target propagation: Lee, Zhang, Fischer and Bengio, ECML 2015,
equations 15 and 16. With h_l what layer l shows, f_l the layer and b_l its learned inverse:

    top       t = y - gamma dL/da, y the outputs, a their sums (for squared error y - gamma (y - wanted))
    plain     t_{l-1} = b_l(t_l)
    difference t_{l-1} = h_{l-1} + b_l(t_l) - b_l(h_l), which is h_{l-1} where t_l = h_l, however bad b_l is
    layers    down |f_l(h_{l-1}) - t_l|^2 / 2
    inverses  down |b_l(f_l(z)) - z|^2 / 2 at z = h_{l-1} + noise

Where we differ and why: the target below the read-out comes through an inverse too (the authors take a
gradient step there); inverses are digital, b(y) = f(Vy + c), and start at zero, where nothing below the
read-out moves until they have learned something; on a chip f_l(z) is read from the layer driven alone.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog.layers.crossbar import Dense
from analog.layers.crossbar import dense
from analog.port import Port
from analog.spec import Knobs
from analog.spec import Spec

from ..estimators.base import correlate
from ..learner import Batch
from ..learner import Step
from ..losses import Loss
from ..losses import known_gradient
from ..updates.record import Update
from .activations import Neuron
from .activations import identity


class Memory(NamedTuple):
    """What target propagation remembers from step to step."""

    update: Any
    inverses: Knobs  # of every layer but the first, (*fleet, 1, features_in, features + 1)
    inverse_update: Any


@dataclass(frozen=True)
class TargetPropagation:
    """Layers learn targets that inverses carry down.

    neuron: of the hidden layers, as far as known: its slope, told from outputs, enters the layers' gradients,
        and inverses end in it. The identity leaves slopes out, as the loss that matches any neuron does.
    read_out: goes with the loss: `sigmoid` with binary cross-entropy, the identity with squared error.
    noise: sd of what is added to a layer's inputs while its inverse learns.
    """

    update: Update
    inverse_update: Update
    loss: Loss
    gamma: float
    neuron: Neuron = identity
    read_out: Neuron = identity
    noise: float = 0.1
    difference: bool = True

    def __post_init__(self) -> None:
        known_gradient(self.loss, "TargetPropagation")
        if not 0 < self.gamma < float("inf") or not 0 <= self.noise < float("inf"):
            raise ValueError(
                f"TargetPropagation: gamma is above 0 and noise at least 0, got {self.gamma} and {self.noise}"
            )

    def init(self, spec: Spec) -> Memory:
        if not spec.layers[-1].linear:
            raise ValueError("TargetPropagation: needs a linear read-out as the last layer")
        blank = torch.zeros((), dtype=spec.dtype, device=spec.on)
        inverses = tuple(
            blank.expand(*spec.fleet, 1, way.rows, way.cols).clone() for way in self._wiring(spec)
        )
        return Memory(self.update.init(spec.zeros()), inverses, self.inverse_update.init(inverses))

    def step(self, port: Port, batch: Batch, state: Memory, generator: Generator) -> tuple[Memory, Step]:
        baseline = port.measure(batch.x)
        shown = (*baseline.taps[:-1], self.read_out.fire(baseline.out))
        inverses, inverse_update = self._invert(port, baseline.taps, state, generator)
        back = [self._back(way, knobs) for way, knobs in zip(self._wiring(port.spec), inverses, strict=True)]
        top = shown[-1] - self.gamma * known_gradient(self.loss, "TargetPropagation")(
            baseline.out, batch.target
        )
        wanted = targets(shown, top, back, difference=self.difference)
        gradient = [
            correlate(layer, (h - t) * (h.new_ones(()) if layer.linear else self.neuron.slope(h)), x)
            for layer, h, t, x in zip(
                port.spec.layers, shown, wanted, (batch.x, *baseline.taps[:-1]), strict=True
            )
        ]
        drive, update = self.update.step(tuple(gradient), state.update)
        port.pulse(drive)
        losses = self.loss(baseline.out, batch.target)
        return Memory(update, inverses, inverse_update), Step(losses.mean(-1), baseline)

    def _wiring(self, spec: Spec) -> tuple[Dense, ...]:
        """From what each layer but the first shows to what drove it."""
        return tuple(
            dense(layer.features, layer.features_in, linear=below.linear)
            for below, layer in zip(spec.layers, spec.layers[1:], strict=False)
        )

    def _back(self, way: Dense, knobs: Tensor) -> Callable[[Tensor], Tensor]:
        """One inverse."""
        ends = identity if way.linear else self.neuron
        return lambda y: ends.fire(way.scatter(way.gather(y) @ knobs.mT))

    def _invert(
        self, port: Port, taps: tuple[Tensor, ...], state: Memory, generator: Generator
    ) -> tuple[Knobs, Any]:
        """Inverses a step better: each layer is driven alone, near what drives it, and read."""
        gradient = []
        for at, (way, knobs) in enumerate(zip(self._wiring(port.spec), state.inverses, strict=True), 1):
            given = taps[at - 1]
            normals = torch.randn(given.shape, generator=generator, dtype=given.dtype, device=given.device)
            given = given + self.noise * normals
            seen = port.measure(given, first=at, last=at).out
            seen = self.read_out.fire(seen) if at == len(taps) - 1 else seen
            made = self._back(way, knobs)(seen)
            miss = (made - given) * (1.0 if way.linear else self.neuron.slope(made))
            gradient.append(correlate(way, miss, seen))
        drive, update = self.inverse_update.step(tuple(gradient), state.inverse_update)
        return tuple(v + d for v, d in zip(state.inverses, drive, strict=True)), update


def targets(
    shown: Sequence[Tensor], top: Tensor, back: Sequence[Callable[[Tensor], Tensor]], *, difference: bool
) -> tuple[Tensor, ...]:
    """The target of every layer, from the top's: what the layer above should have been driven by.

    Args:
        shown: what each layer shows, (..., batch, features).
        back: an inverse of each layer but the first.
    """
    wanted = [top]
    for below, here, inverse in zip(shown[-2::-1], shown[:0:-1], back[::-1], strict=True):
        told = inverse(wanted[-1])
        wanted.append(below + (told - inverse(here)) if difference else told)
    return tuple(wanted[::-1])
