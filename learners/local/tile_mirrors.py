"""Mirrors of tiles: signs added to what drives a layer, and what its taps then differ by, tell its weights.

Akrout, Wilson, Humphreys, Lillicrap and Tweed, "Deep learning without weight transport" (2019),
https://arxiv.org/abs/1904.05391: noise sent into a layer, correlated with what it then shows, is the weights
in between. Where we differ: the noise is added to what drives the layer for an extra reading; changes are
divided by what was sent, so that mirrors estimate and do not only align; only what a mirror did not predict
teaches it; all sites of a tile teach one mirror; and it follows what its tile is pulsed with.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from analog.layers.crossbar import Layer
from analog.port import Port
from analog.spec import Spec

from ..estimators.gradient import active_nodes


class TileMirror(NamedTuple):
    """The mirror of a layer's tiles, and how much is known of each node: fading sums where it was active."""

    weights: Tensor  # (*fleet, tiles, rows, cols), the change of each node per change of each column
    power: Tensor  # (*fleet, tiles, rows, 1), of the squared changes of any one column

    def moved(self, drive: Tensor) -> "TileMirror":
        """The mirror of tiles that were pulsed with a drive (*fleet, tiles, rows, cols)."""
        return self._replace(weights=self.weights + drive)


@dataclass(frozen=True)
class InputProbes:
    """Random signs that are added to what drives a layer, to see how its taps change.

    Args:
        size: V, of each of them.
        examples: of a batch, that are driven again with signs.
        reads: of these examples, each with signs of its own.
        decay: of what earlier probes told, each time.

    Raises:
        ValueError: a setting is out of its range.
    """

    size: float = 0.15
    examples: int = 16
    reads: int = 1
    decay: float = 0.9

    def __post_init__(self) -> None:
        if not 0 < self.size < float("inf"):
            raise ValueError(f"InputProbes: size is {self.size}, wanted a finite size above 0")
        for name, count in (("examples", self.examples), ("reads", self.reads)):
            if isinstance(count, bool) or not isinstance(count, int) or count < 1:
                raise ValueError(f"InputProbes: {name} is {count!r}, wanted an integer of at least 1")
        if not 0 <= self.decay < 1:
            raise ValueError(f"InputProbes: decay is {self.decay}, wanted 0 <= decay < 1")

    def init(self, spec: Spec, at: int) -> TileMirror:
        """The mirror of a layer of which nothing is known."""
        zeros = torch.zeros((), dtype=spec.dtype, device=spec.on).expand(spec.shapes[at])
        return TileMirror(zeros, zeros[..., :1])

    def refresh(
        self, port: Port, at: int, inputs: Tensor, tap: Tensor, before: TileMirror, generator: Generator
    ) -> TileMirror:
        """Probe a layer once more.

        Args:
            port: the wires of the whole chip.
            at: the layer.
            inputs: what drives it, (*fleet, batch, features_in).
            tap: what it showed of that, (*fleet, batch, features).
            before: its mirror.
            generator: of the choice of examples, and of the signs.
        """
        layer, lead = port.spec.layers[at], tap.shape[:-2]
        batch, features = inputs.shape[-2], layer.core.features_in
        chosen = torch.randperm(batch, generator=generator, device=generator.device)[: self.examples]
        chosen = chosen.to(tap.device)
        shape = (self.reads, *(1,) * len(lead), len(chosen), features)
        signs = torch.randint(0, 2, shape, generator=generator, device=generator.device)
        sent = (signs.to(tap) * 2 - 1) * self.size
        x = inputs.index_select(-2, chosen) + layer.lift(sent)
        moved = port.measure(x.expand(self.reads, *lead, *x.shape[-2:]), first=at, last=at).out
        resting = tap.index_select(-2, chosen)
        seen = active_nodes(layer, resting) * active_nodes(layer, moved)
        return self._learn(layer.core, sent, moved - resting, seen, before)

    def _learn(
        self, core: Layer, sent: Tensor, change: Tensor, seen: Tensor, before: TileMirror
    ) -> TileMirror:
        """The mirror after changes (reads, *fleet, examples, features) that signs brought about.

        A step of recursive least squares, as if no two columns had anything in common: what the mirror did
        not predict is laid to every column, divided by the power that has told of it and, so that no step is
        larger than what it corrects, by what one example has in all of them.
        """
        sent, change, seen = (_as_examples(part) for part in (sent, change, seen))
        both = torch.cat((sent, torch.zeros_like(sent[..., :1, :])), -2)  # whatever is always on cancels
        predicted = core.scatter(core.multiply(both, before.weights))
        innovation = (change - (predicted[..., :-1, :] - predicted[..., -1:, :])) * seen
        told = core.unscatter(seen).sum(-2).unsqueeze(-1) * self.size**2
        power = before.power * self.decay + told
        step = core.weight_gradient(sent, innovation) / (power + core.cols * self.size**2)
        return TileMirror(before.weights + step, power)


def _as_examples(part: Tensor) -> Tensor:
    """(reads, *fleet, examples, features) -> (*fleet, reads * examples, features)"""
    return part.movedim(0, -3).flatten(-3, -2)
