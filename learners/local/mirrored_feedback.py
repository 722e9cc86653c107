"""Mirrored feedback: mirrors of tiles carry gradients down, through digital wiring that is known.

After Akrout, Wilson, Humphreys, Lillicrap and Tweed, "Deep learning without weight transport" (2019),
https://arxiv.org/abs/1904.05391; how mirrors are measured, and where that differs, says `tile_mirrors`. What
is digital between tiles (pooling, standardization, the wiring of a convolution) is known, so gradients go
through it exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Generator

from analog.access import Access
from analog.layers.preparation import Preparation
from analog.port import Port, Reading
from analog.spec import Spec

from ..access import spans_access
from ..estimators.estimate import judge_baseline
from ..estimators.gradient import knob_gradient
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..node_descent import carry_down, read_layers, way_back
from ..updates.record import Update, require_update
from .tile_mirrors import InputProbes, TileMirror


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
        layers, precision = port.spec.layers, port.spec.precision
        prepared = [layer.prepare(x) for layer, x in zip(layers, inputs, strict=True)]
        back = [
            way_back(layers[at], inputs[at], prepared[at], m.weights, taps[at - 1], self._gap(at), precision)
            for at, m in enumerate(mirrors, 1)
        ]
        nodes = carry_down(port.spec, taps, back, baseline.output_gradient)
        gradient = tuple(
            knob_gradient(layer.core, *both, precision=precision)
            for layer, *both in zip(layers, nodes, prepared, strict=True)
        )
        drive, update = self.update.step(gradient, state.update)
        port.pulse(drive)
        if self.follows_pulses:
            mirrors = tuple(m.moved(d) for m, d in zip(mirrors, drive[1:], strict=True))
        step = Step(losses.sum(-1).mean(-1), baseline.reading)
        return MirroredState(update, mirrors, state.steps + 1), step

    def _gap(self, at: int) -> Sequence[Preparation]:
        """The digital wiring below a layer, one or none."""
        return self.between[at - 1 : at]

    def _probes(self, gaps: int) -> Sequence[InputProbes]:
        """How each layer but the first is probed."""
        return self.probes if len(self.probes) == gaps else (*self.probes,) * gaps
