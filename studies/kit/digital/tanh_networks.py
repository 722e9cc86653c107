"""Digital tanh networks as chips, for studies beside published ones; their exact gradients and RMSProp."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from analog import Chip, Device, Fabrication, Knobs, Noise, Port, Reading, Spec, xray
from analog.wires import Access
from learners import Batch, Loss, Update
from learners.losses import known_gradient


class _Weights(NamedTuple):
    """The weights of one layer."""

    knobs: Tensor  # (*fleet, tiles, rows, cols)


@dataclass(frozen=True)
class Digital(Device[_Weights]):
    """A device without noise: weights in a computer, tanh neurons; the last column is the bias.

    Fresh weights are uniform within sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio 2010,
    https://proceedings.mlr.press/v9/glorot10a.html), and so are biases, with their own number for both fans,
    as in the public LocoProp code.
    """

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> _Weights:
        draws = 2 * birth.uniform("knobs", rows, cols) - 1
        bound = torch.full((cols,), (6 / (rows + cols - 1)) ** 0.5, dtype=draws.dtype, device=draws.device)
        bound[-1] = (3 / rows) ** 0.5
        return _Weights(draws * bound)

    def pulse(self, cells: _Weights, drive: Tensor, noise: Noise) -> _Weights:
        del noise  # computers have no noise
        return _Weights(cells.knobs + drive)

    def collect(self, cells: _Weights, x: Tensor, noise: Noise) -> Tensor:
        del noise  # computers have no noise
        return x @ cells.knobs.mT

    def fire(self, cells: _Weights, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # all neurons are alike
        return u.tanh()


@dataclass(frozen=True)
class ExactNodeGradients:
    """The gradients at the nodes that no real hardware tells: of this very `Digital` chip, by its weights.

    They go back from the outputs that were read, so that no image passes forward twice.
    """

    chip: Chip

    def needs(self, spec: Spec, loss: Loss) -> Access:
        del spec, loss  # it does not look through wires
        return Access("outputs", node_probes=False)

    def init(self, spec: Spec, loss: Loss) -> None:
        del spec, loss

    def estimate(
        self, port: Port, batch: Batch, baseline: Reading, loss: Loss, state: None, generator: Generator
    ) -> tuple[tuple[Tensor, ...], None]:
        del generator, state  # nothing is drawn or kept
        gradient = known_gradient(loss, "ExactNodeGradients")(baseline.out, batch.target)
        layers, weights = port.spec.layers, xray.knobs(self.chip)
        at_nodes = [gradient if layers[-1].linear else gradient * (1 - baseline.out.square())]
        for k in range(len(layers) - 1, 0, -1):
            tap = baseline.taps[k - 1]
            below = layers[k].input_gradient(tap, at_nodes[-1], weights[k])
            at_nodes.append(
                below if layers[k - 1].linear else torch.addcmul(below, below * tap, tap, value=-1)
            )
        return tuple(reversed(at_nodes)), None


class _HeavyState(NamedTuple):
    """The memory of `heavy_rmsprop`."""

    steps: int
    square: Knobs
    velocity: Knobs


def heavy_rmsprop(
    learning_rate: Callable[[int], float], momentum: float = 0.999, beta2: float = 0.9, epsilon: float = 1e-5
) -> Update:
    """RMSProp (Tieleman and Hinton 2012,
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf) with momentum, in the form of
    TensorFlow's first version: epsilon under the root, the rate inside the velocity, mean squares that start
    at 1.

    Args:
        learning_rate: from the number of steps taken before.
    """

    def step(gradient: Knobs, state: _HeavyState) -> tuple[Knobs, _HeavyState]:
        square = tuple(
            (s * beta2).addcmul_(g, g, value=1 - beta2) for s, g in zip(state.square, gradient, strict=True)
        )
        now = -learning_rate(state.steps)
        velocity = tuple(
            (v * momentum).addcmul_(g, (s + epsilon).rsqrt_(), value=now)
            for s, g, v in zip(square, gradient, state.velocity, strict=True)
        )
        return velocity, _HeavyState(state.steps + 1, square, velocity)

    name = f"heavy_rmsprop(..., momentum={momentum}, beta2={beta2}, epsilon={epsilon})"
    return Update(lambda zeros: _HeavyState(0, tuple(torch.ones_like(z) for z in zeros), zeros), step, name)


def warmup_then_decay(step: int, steps_per_epoch: int, epochs: int) -> float:
    """The share of the full rate: a twentieth of the epochs of warm-up, then linearly to 0."""
    number, total = step + 1, steps_per_epoch * epochs
    warmup = total / 20
    return number / warmup if number < warmup else (total + 1 - number) / (total + 1 - warmup)
