"""Forward-forward: two passes, one with what is real and one with fakes, and nothing that goes back.

G. Hinton, "The forward-forward algorithm: some preliminary investigations" (2022). Every layer learns by
itself to be active for the real and silent for the fake; what drives the layer above is normalised, so that
only the pattern of activity is handed on and not how much of it there was.

Where we differ: the passes run side by side as one batch; each layer is driven alone through its span of
wires, and the normalisation is digital wiring; a layer may be taught by any learner of ports, so that where
its neurons' slopes are unknown they are measured (`Hebbian(probe=...)`) or its goodness is perturbed
(`Descent(NodePerturbation(...), update, Goodness())`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor

from analog.port import Port
from analog.spec import Spec

from ..learner import Batch
from ..learner import Learner
from ..learner import Step
from ..wiring.parts import through
from .goodness import goodness
from .greedy import Block
from .greedy import Greedy
from .greedy import GreedyMemory
from .negatives import Negatives
from .negatives import labelled
from .negatives import normalised


class Forwards(NamedTuple):
    """What a `ForwardForward` learner remembers."""

    layers: GreedyMemory
    negatives: Any


@dataclass(frozen=True)
class ForwardForward:
    """Teaches all layers at once, each its own goodness.

    Measure a trained chip through `wired(port)`, with inputs `normalised`.

    Args:
        layers: who teaches each layer, from a batch of inputs whose target is 1 (real) or -1 (fake).
        negatives: what fakes are; says what the targets of batches have to be.
    """

    layers: Sequence[Learner[Any]]
    negatives: Negatives[Any]

    def init(self, spec: Spec) -> Forwards:
        return Forwards(self._greedy().init(spec), self.negatives.init(spec))

    def step(self, port: Port, batch: Batch, state: Forwards, generator: Generator) -> tuple[Forwards, Step]:
        """Step every layer once; the loss and the taps are those of reals, then fakes, side by side."""
        real, fake, negatives = self.negatives.pair(wired(port), batch, state.negatives, generator)
        signs = real.new_ones(real.shape[-2])
        both = Batch(normalised(torch.cat((real, fake), -2)), torch.cat((signs, -signs)))
        layers, step = self._greedy().step(port, both, state.layers, generator)
        return Forwards(layers, negatives), step

    def _greedy(self) -> Greedy:
        return Greedy(tuple(Block(1, learner) for learner in self.layers), between=normalised)


def wired(port: Port) -> Port:
    """The same wires with what drives each layer but the first normalised; taps are as they are."""
    return through(port, normalised)


def goodnesses(
    port: Port, x: Tensor, classes: int, brightness: float, skipped: int = 1
) -> Tensor:  # (*fleet, batch, classes)
    """How good each label looks beside each image, added up over all layers but the lowest: a run for each.

    By these the paper's 1.36 % were recognised: the label with the highest one.
    """
    wires, scores = wired(port), []
    for label in range(classes):
        said = torch.full(x.shape[:-1], label, dtype=torch.int64, device=x.device)
        taps = wires.measure(normalised(labelled(x, said, classes, brightness))).taps[skipped:]
        scores.append(torch.stack([goodness(tap) for tap in taps]).sum(0))
    return torch.stack(scores, -1)
