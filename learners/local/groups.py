"""Groups of channels, over patches, each with a head of its own: as many objectives as a block has parts.

Ren, Kornblith, Liao and Hinton, "Scaling forward gradient with local losses" (ICLR 2023), sections 4.1 and
4.2: replicated losses. Every group at every patch sees, through one head, the mean over patches and all
groups side by side, with the gradient stopped at everything that is not its own. All copies give the same
loss, yet each teaches its own part alone, so that what is perturbed at once is a part's share of the nodes.

Where we differ: nothing is differentiated but the head, which is linear, kept in digital memory and learns by
its delta rule. "Stopped" means held at what the baseline reading showed: what a probe moved in other parts is
left out digitally, so one measurement serves all parts. Reading noise of other parts is left out with it.
The gradient so estimated is that of one common head (LG-BP is L-BP); `OwnHeads`, each seeing its part alone,
is the plainer objective, and another one.
"""

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
from analog.port import Reading
from analog.spec import Knobs
from analog.spec import Spec

from ..estimators.base import Estimator
from ..estimators.base import Evidence
from ..estimators.base import NodePerturbation
from ..estimators.base import WeightPerturbation
from ..estimators.base import correlate
from ..learner import Batch
from ..learner import Step
from ..losses import Loss
from ..losses import known_gradient
from ..updates.record import Update
from .weight_mirrors import Image
from .weight_mirrors import Mirrors


class OwnHeads(Loss):
    """A loss for outputs in `parts` equal shares, each an answer of its own to the same question.

    With a head `grouped(features, parts * outputs, parts, linear=True)` every group of features is taught
    by what it alone can tell.
    """

    def __init__(self, loss: Loss, parts: int) -> None:
        self.loss, self.parts = loss, parts
        self._gradient = known_gradient(loss, "OwnHeads")

    def value(self, out: Tensor, target: Any) -> Tensor:  # (..., batch, parts)
        return self.loss(self._apart(out), target).movedim(0, -1)

    def gradient(self, out: Tensor, target: Any) -> Tensor:  # (..., batch, parts * outputs)
        return self._gradient(self._apart(out), target).movedim(0, -2).flatten(-2)

    def _apart(self, out: Tensor) -> Tensor:  # (parts, ..., batch, outputs)
        return out.unflatten(-1, (self.parts, -1)).movedim(-2, 0)


class HeadsMemory(NamedTuple):
    """What `ReplicatedHeads` remembers."""

    update: Any
    knobs: Tensor  # (*fleet, 1, outputs, channels + 1), of the head
    head: Any  # its update's memory
    mirrors: tuple[Image, ...] = ()


@dataclass(frozen=True)
class ReplicatedHeads:
    """A block of layers under copies of one digital head, one for each group of channels at each patch.

    Args:
        update, head: of the block's knobs, and of the head's.
        outputs: of the head, which begins at zero.
        groups, patches: the block's outputs are ordered patch by patch, within a patch group by group.
        shares: into how many such consecutive parts each layer's nodes fall, for layers whose nodes reach
            several parts (a node after token mixing reaches all groups of its patch); None: as the outputs.
        mirrors: foresee slopes, so that only what they did not foresee has to be estimated.
    """

    estimator: Estimator
    update: Update
    head: Update
    loss: Loss
    outputs: int
    groups: int = 1
    patches: int = 1
    shares: Sequence[int] | None = None
    mirrors: Mirrors | None = None

    def __post_init__(self) -> None:
        if min(self.groups, self.patches, self.outputs) < 1:
            raise ValueError(f"ReplicatedHeads: sizes must be at least 1, got {self}")
        if self.mirrors is not None and (
            self.shares is not None or not isinstance(self.estimator, NodePerturbation)
        ):
            raise ValueError("ReplicatedHeads: mirrors want probes at nodes that keep to their own group")
        if self.shares is None:
            return
        if any(s < 1 or self._parts % s for s in self.shares):
            raise ValueError(f"ReplicatedHeads: shares {self.shares} do not divide {self._parts} parts")
        if not isinstance(self.estimator, NodePerturbation | WeightPerturbation):
            raise ValueError(f"ReplicatedHeads: {self.estimator} cannot tell layers one by one")

    def init(self, spec: Spec) -> HeadsMemory:
        features, layers = spec.layers[-1].features, len(spec.layers)
        if features % self._parts:
            raise ValueError(f"ReplicatedHeads: {self._parts} parts do not divide {features} features")
        if self.shares is not None and len(self.shares) != layers:
            raise ValueError(f"ReplicatedHeads: {len(self.shares)} shares for a block of {layers} layers")
        layer = self._layer(features)
        blank = spec.zeros()[0].new_zeros((*spec.fleet, layer.tiles, layer.rows, layer.cols))
        mirrors = () if self.mirrors is None else self.mirrors.init(spec, self.groups)
        return HeadsMemory(self.update.init(spec.zeros()), blank, self.head.init((blank,)), mirrors)

    def step(
        self, port: Port, batch: Batch, state: HeadsMemory, generator: Generator
    ) -> tuple[HeadsMemory, Step]:
        baseline = port.measure(batch.x)
        probe = self.estimator.ask(port.spec, batch.x, baseline, generator)
        probed = port.measure(batch.x, probe)
        losses = self.loss(self._copies(baseline.out, probed.out, state.knobs), batch.target).movedim(0, -1)
        alike = self.loss(self.answers(baseline.out, state.knobs), batch.target)
        baseline_loss = alike.unsqueeze(-1).expand(*alike.shape, self._parts)
        seen = Evidence(batch.x, baseline, baseline_loss, probe, probed, losses)
        if self.mirrors is None:
            return self._learnt(port, batch, state, baseline, self._told(port.spec, seen))
        gradient, mirrors = self._foretold(self.mirrors, port.spec, seen, batch, state)
        return self._learnt(port, batch, state._replace(mirrors=mirrors), baseline, gradient)

    def answers(self, features: Tensor, knobs: Tensor) -> Tensor:  # (..., batch, outputs)
        """What the head says to a block's outputs (..., batch, features)."""
        means = self._means(features)
        layer = self._layer(features.shape[-1])
        return layer.scatter(layer.gather(means) @ knobs.mT)

    def _learnt(
        self, port: Port, batch: Batch, state: HeadsMemory, baseline: Reading, gradient: Knobs
    ) -> tuple[HeadsMemory, Step]:
        """Pulse the block by its gradient, let the head follow its delta rule."""
        drive, update = self.update.step(gradient, state.update)
        port.pulse(drive)
        out = self.answers(baseline.out, state.knobs)
        slope = known_gradient(self.loss, "ReplicatedHeads")(out, batch.target)
        delta = correlate(self._layer(baseline.out.shape[-1]), slope, self._means(baseline.out))
        (moved,), head = self.head.step((delta,), state.head)
        losses = self.loss(out, batch.target)
        return state._replace(update=update, knobs=state.knobs + moved, head=head), Step(
            losses.mean(-1), baseline
        )

    @property
    def _parts(self) -> int:
        return self.groups * self.patches

    def _layer(self, features: int) -> Dense:
        return dense(features // self.patches, self.outputs, linear=True)

    def _means(self, features: Tensor) -> Tensor:  # (..., batch, channels), over patches
        return features.unflatten(-1, (self.patches, -1)).mean(-2)

    def _copies(self, baseline: Tensor, probed: Tensor, knobs: Tensor) -> Tensor:
        """What the head's copies say, each to its own part as probed and all others as they were.

        (parts, probes, *fleet, batch, outputs)
        """
        weights = knobs[..., 0, :, :-1].unflatten(-1, (self.groups, -1))  # (*fleet, outputs, groups, share)
        moved = self._apart(probed - baseline) / self.patches
        change = (moved @ weights.movedim(-2, -3).mT).unflatten(-2, (-1, self.patches))
        return self.answers(baseline, knobs) + change.movedim((-2, -4), (0, 1)).flatten(0, 1)

    def _foretold(
        self, mirrors: Mirrors, spec: Spec, seen: Evidence, batch: Batch, state: HeadsMemory
    ) -> tuple[Knobs, tuple[Image, ...]]:
        """The gradient where mirrors foresee slopes, and what they hold then."""
        pushes = [push for push in seen.probe.nodes or () if push is not None]
        slope = known_gradient(self.loss, "ReplicatedHeads")(
            self.answers(seen.baseline.out, state.knobs), batch.target
        )
        at_means = slope @ state.knobs[..., 0, :, :-1] / self.patches
        at_taps = at_means.repeat(*(1,) * (at_means.ndim - 1), self.patches)
        known = mirrors.foresee(state.mirrors, seen.baseline.taps, at_taps, self._apart)
        each = zip(pushes, known, strict=True)
        expected = torch.stack([(self._apart(push) * k).sum(-1) for push, k in each]).sum(0)
        by_part = expected.unflatten(-1, (-1, self.patches)).movedim(-3, -1).flatten(-2)
        told = self._told(spec, seen._replace(losses=seen.losses - by_part))
        given = (seen.x, *seen.baseline.taps[:-1])
        parts = zip(spec.layers, told, known, given, strict=True)
        gradient = tuple(mirrors.trust * t + correlate(la, self._together(k), x) for la, t, k, x in parts)
        probed = seen.probed.taps
        return gradient, mirrors.learn(state.mirrors, seen.baseline.taps, probed, pushes, self._apart)

    def _apart(self, activity: Tensor) -> Tensor:
        """(..., batch, features) -> (..., groups, batch * patches, share)"""
        shares = activity.unflatten(-1, (self.patches, self.groups, -1))
        return shares.movedim(-2, -4).flatten(-3, -2)

    def _together(self, shares: Tensor) -> Tensor:
        """The inverse of `_apart`."""
        return shares.unflatten(-2, (-1, self.patches)).movedim(-4, -2).flatten(-3)

    def _told(self, spec: Spec, seen: Evidence) -> Knobs:
        """The estimated gradient, layer by layer where their nodes fall into different shares."""
        if self.shares is None or set(self.shares) == {self._parts}:
            return self.estimator.tell(spec, seen)
        given = (seen.x, *seen.baseline.taps[:-1])
        gradient: list[Tensor] = []
        for at, share in enumerate(self.shares):
            own = Evidence(
                given[at],
                Reading(seen.baseline.taps[at : at + 1]),
                seen.baseline_loss.unflatten(-1, (share, -1)).sum(-1),
                seen.probe.part(at, at),
                Reading(seen.probed.taps[at : at + 1]),
                seen.losses.unflatten(-1, (share, -1)).sum(-1),
            )
            gradient += self.estimator.tell(spec.span(at, at), own)
        return tuple(gradient)
