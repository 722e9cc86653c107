"""Mirrored feedback: probes at what drives each tile teach a mirror of it, which carries gradients down.

Akrout, Wilson, Humphreys, Lillicrap and Tweed, "Deep learning without weight transport" (2019),
https://arxiv.org/abs/1904.05391: noise sent into a layer, correlated with what it then shows, is the weights
in between. Where we differ: the noise is added to what drives the layer for an extra reading; changes are
divided by what was sent, so that mirrors estimate and do not only align; all sites of a tile teach one
mirror; and it follows what its tile is pulsed with. What is digital between tiles (pooling, standardization,
the wiring of a convolution) is known, so gradients go through it exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.layers.crossbar import Layer
from analog.layers.preparation import Preparation
from analog.port import Port, Reading
from analog.spec import Spec

from ..access import spans_access
from ..estimators.estimate import judge_baseline
from ..estimators.gradient import active_nodes, knob_gradient
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..node_descent import Back, carry_down
from ..updates.record import Update, require_update


class TileMirror(NamedTuple):
    """The statistics of a layer's tiles: fading sums over all sites at which a node was active."""

    changes: Tensor  # (*fleet, tiles, rows, cols), of each node's change times each column's
    power: Tensor  # the same, of the column's own change, squared

    @property
    def weights(self) -> Tensor:
        """The change of each node per change of each column, (*fleet, tiles, rows, cols); 0 if unknown."""
        return self.changes / self.power.clamp(min=torch.finfo(self.power.dtype).tiny)

    def moved(self, drive: Tensor) -> "TileMirror":
        """The mirror of tiles that were pulsed with a drive (*fleet, tiles, rows, cols)."""
        return self._replace(changes=torch.addcmul(self.changes, drive, self.power))


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
        return TileMirror(zeros, zeros)

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
        return self._remember(layer.core, sent, (moved - resting) * seen, seen, before)

    def _remember(
        self, core: Layer, sent: Tensor, change: Tensor, seen: Tensor, before: TileMirror
    ) -> TileMirror:
        """The mirror after changes (reads, *fleet, examples, features) that signs brought about."""
        sent, change, seen = (_as_examples(part) for part in (sent, change, seen))
        changes = core.weight_gradient(sent, change)
        power = core.weight_gradient(sent.square(), seen)
        return TileMirror(before.changes * self.decay + changes, before.power * self.decay + power)


def _as_examples(part: Tensor) -> Tensor:
    """(reads, *fleet, examples, features) -> (*fleet, reads * examples, features)"""
    return part.movedim(0, -3).flatten(-3, -2)


class MirroredState(NamedTuple):
    """The state of `MirroredFeedback` from step to step."""

    update: Any
    mirrors: tuple[TileMirror, ...]  # of every layer but the first
    steps: int


@dataclass(frozen=True)
class MirroredFeedback:
    """A learner that carries gradients down through mirrors of tiles, and exactly through what is digital.

    Every layer above the first is driven alone by what drove it in some examples of the batch, with signs
    added; what its taps then differ by, regressed on the signs, is a mirror of its tiles. A neuron's own
    derivative counts as 1 wherever its tap is not exactly 0. For a layer below its analog read-out (a
    `learners.local.Block`) as for a whole chip.

    Args:
        update: turns the gradient into a drive.
        loss: one that knows its gradient, of the chip's outputs.
        probes: how mirrors are measured: one for all, or one for each layer but the first.
        every: steps from one measurement of the mirrors to the next.
        between: digital wiring from each tap but the last to what drives the layer above it, such as
            `learners.wiring.Standardized`, over the batch; none where it is empty.
        follows_pulses: whether mirrors are moved by what their tiles are pulsed with.

    Raises:
        TypeError: `update` or `loss` is something else.
        ValueError: a setting is out of its range, or the loss does not know its gradient.
    """

    update: Update
    loss: Loss
    probes: Sequence[InputProbes] = (InputProbes(),)
    every: int = 1
    between: Sequence[Preparation] = ()
    follows_pulses: bool = True

    def __post_init__(self) -> None:
        require_update(self.update, "MirroredFeedback: update")
        known_gradient(self.loss, "MirroredFeedback")
        if isinstance(self.every, bool) or not isinstance(self.every, int) or self.every < 1:
            raise ValueError(f"MirroredFeedback: every is {self.every!r}, wanted an integer of at least 1")

    def needs(self, spec: Spec) -> Access:
        """The access that it needs: spans of a chip of several layers, and no probes."""
        return spans_access(spec, node_probes=False)

    def init(self, spec: Spec) -> MirroredState:
        """Mirrors of which nothing is known.

        Raises:
            ValueError: what stands between layers, or probes, are not as many as there are gaps.
        """
        gaps = len(spec.layers) - 1
        if len(self.probes) not in (1, gaps):
            raise ValueError(f"MirroredFeedback: probes has {len(self.probes)} entries, wanted 1 or {gaps}")
        if self.between and len(self.between) != gaps:
            raise ValueError(f"MirroredFeedback: between has {len(self.between)} entries, wanted {gaps}")
        mirrors = tuple(probes.init(spec, at) for at, probes in enumerate(self._probes(gaps), 1))
        return MirroredState(self.update.init(spec.zeros()), mirrors, 0)

    def step(
        self, port: Port, batch: Batch, state: MirroredState, generator: Generator
    ) -> tuple[MirroredState, Step]:
        """Read the batch, measure the mirrors when it is time to, and pulse the chip once."""
        inputs, taps = read_layers(port, batch.x, self.between)
        baseline = judge_baseline(self.loss, batch.x, batch.target, Reading(taps))
        losses, mirrors = baseline.losses, state.mirrors  # refused before anything is probed
        if state.steps % self.every == 0:
            mirrors = tuple(
                probes.refresh(port, at, inputs[at], taps[at], mirror, generator)
                for at, (probes, mirror) in enumerate(
                    zip(self._probes(len(mirrors)), mirrors, strict=True), 1
                )
            )
        assert baseline.output_gradient is not None  # the loss knows it
        layers = port.spec.layers
        prepared = [layer.prepare(x) for layer, x in zip(layers, inputs, strict=True)]
        back = [
            way_back(
                layers[at], inputs[at], prepared[at], mirror.weights, taps[at - 1], self.between[at - 1 : at]
            )
            for at, mirror in enumerate(mirrors, 1)
        ]
        nodes = carry_down(port.spec, taps, back, baseline.output_gradient)
        gradient = tuple(knob_gradient(la.core, *p) for la, *p in zip(layers, nodes, prepared, strict=True))
        drive, update = self.update.step(gradient, state.update)
        port.pulse(drive)
        if self.follows_pulses:
            mirrors = tuple(m.moved(d) for m, d in zip(mirrors, drive[1:], strict=True))
        step = Step(losses.sum(-1).mean(-1), baseline.reading)
        return MirroredState(update, mirrors, state.steps + 1), step

    def _probes(self, gaps: int) -> Sequence[InputProbes]:
        """How each layer but the first is probed."""
        return self.probes if len(self.probes) == gaps else (*self.probes,) * gaps


def read_layers(
    port: Port, x: Tensor, between: Sequence[Preparation]
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Read a chip layer by layer, with digital wiring between them.

    Args:
        x: (batch, features_in) or (*fleet, batch, features_in).
        between: from each tap but the last to what drives the layer above it; empty: the tap itself.

    Returns:
        What drove each layer, (*fleet, batch, features_in), and each tap, (*fleet, batch, features).
    """
    if not between:
        taps = port.measure(x).taps
        return (x, *taps[:-1]), taps
    inputs, shown = [x], list[Tensor]()
    for at in range(len(port.spec.layers)):
        shown.append(port.measure(inputs[at], first=at, last=at).out)
        if at < len(between):
            inputs.append(between[at](shown[at]))
    return tuple(inputs), tuple(shown)


def way_back(
    layer: Layer,
    inputs: Tensor,
    prepared: Tensor,
    weights: Tensor,
    tap: Tensor,
    between: Sequence[Preparation] = (),
) -> Back:
    """The way back from a layer's nodes to the tap below it.

    Args:
        layer: its wiring.
        inputs: what drove it, (*fleet, batch, features_in).
        prepared: what that came to for its core, (*fleet, batch, core.features_in).
        weights: what stands for its tiles, (*fleet, tiles, rows, cols).
        tap: of the layer below, (*fleet, batch, features).
        between: the digital wiring from that tap to the inputs, one or none.
    """

    def back(nodes: Tensor) -> Tensor:
        gradient = layer.pull_back(inputs, layer.core.input_gradient(prepared, nodes, weights))
        for preparation in between:
            gradient = preparation.pull_back(tap, gradient)
        return gradient

    return back
