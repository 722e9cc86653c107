"""Forward-forward: two passes, one with what is real and one with fakes, and nothing that goes back.

G. Hinton, "The forward-forward algorithm: some preliminary investigations" (2022),
https://arxiv.org/abs/2212.13345. Every layer learns by itself to be active for the real and inactive for the
fake; what drives the layer above is normalized, so that only the pattern of activity is handed on and not how
much of it there was.

Where we differ: the passes run side by side as one batch; each layer is driven alone through its span of
wires, and the normalization is digital wiring; a layer may be taught by any learner of ports, so that where
its neurons' derivatives are unknown they are measured (`Hebbian(probe_size=...)`) or its goodness is
perturbed (`Descent(NodePerturbation(...), update, GoodnessLoss())`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.port import Port
from analog.spec import Spec

from ..learner import Batch, Learner, Step
from ..wiring.layer_by_layer import with_interlayers
from .goodness import goodness
from .greedy import Block, Greedy
from .label_images import embed_label
from .negatives import Negatives
from .normalization import Normalization, normalize


class _State(NamedTuple):
    """The memory of `ForwardForward`."""

    layers: Any
    negatives: Any


@dataclass(frozen=True)
class ForwardForward:
    """A learner that teaches all layers at once, each its own goodness.

    Measure a trained chip through `with_normalization(port)`, with inputs that are `normalize`d.

    Args:
        layers: who teaches each layer, from a batch of inputs whose target is 1 (real) or -1 (fake).
        negatives: what fakes are; says what the targets of batches have to be.
        normalization: of what drives each layer but the first.
        input_normalization: of what drives the first, real and fake; None: they stay as they are.
    """

    layers: Sequence[Learner]
    negatives: Negatives
    normalization: Normalization = normalize
    input_normalization: Normalization | None = normalize

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans, and probes as its layers send."""
        return self._greedy().needs(spec)

    def init(self, spec: Spec) -> _State:
        return _State(self._greedy().init(spec), self.negatives.init(spec))

    def step(self, port: Port, batch: Batch, state: _State, generator: Generator) -> tuple[_State, Step]:
        """Step every layer once; the loss and the taps are those of reals, then fakes, side by side."""
        real, fake, negatives = self.negatives.pair(
            with_normalization(port, self.normalization), batch, state.negatives, generator
        )
        signs, x = real.new_ones(real.shape[-2]), torch.cat((real, fake), -2)
        x = x if self.input_normalization is None else self.input_normalization(x)
        both = Batch(x, torch.cat((signs, -signs)))
        layers, step = self._greedy().step(port, both, state.layers, generator)
        return _State(layers, negatives), step

    def _greedy(self) -> Greedy:
        return Greedy(tuple(Block(1, learner, interlayer=self.normalization) for learner in self.layers))


def with_normalization(port: Port, normalization: Normalization = normalize) -> Port:
    """The same wires with what drives each layer but the first normalized; taps are as they are."""
    return with_interlayers(port, (normalization,) * (len(port.spec.layers) - 1))


def label_goodness(
    port: Port, x: Tensor, classes: int, brightness: float, skipped: int = 1
) -> Tensor:  # (*fleet, batch, classes)
    """The goodness of each label beside each image, summed over all layers but the lowest: a run for each.

    By these the paper's 1.36 % were recognized: the label with the highest one.

    Args:
        port: the chip's own wires.
        x: images (batch, pixels).
        brightness: of the pixel that says the label.
        skipped: how many of the lowest layers are left out.
    """
    wires, scores = with_normalization(port), []
    for label in range(classes):
        labels = torch.full(x.shape[:-1], label, dtype=torch.int64, device=x.device)
        taps = wires.measure(normalize(embed_label(x, labels, classes, brightness))).taps[skipped:]
        scores.append(torch.stack([goodness(tap) for tap in taps]).sum(0))
    return torch.stack(scores, -1)
