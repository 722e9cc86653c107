"""Groups of channels, over patches, each with a head of its own: as many objectives as a block has parts.

Ren, Kornblith, Liao and Hinton, "Scaling forward gradient with local losses" (ICLR 2023,
https://arxiv.org/abs/2210.03310), sections 4.1 and 4.2: replicated losses. Every group at every patch sees,
through one head, the mean over patches and all groups side by side, with the gradient stopped at everything
that is not its own. All copies give the same loss, yet each teaches its own part alone, so that what is
perturbed at once is a part's share of the nodes.

Where we differ: nothing is differentiated but the head, which is linear, kept in digital memory and learns by
its delta rule. "Stopped" means frozen at what the baseline reading showed: what a probe moved in other parts
is left out digitally, so one measurement serves all parts. Reading noise of other parts is left out with it.
The gradient so estimated is that of one common head (LG-BP is L-BP); `PerGroupLoss`, where each head sees its
part alone, is the plainer objective, and another one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from analog.access import Access
from analog.layers.crossbar import Dense, dense
from analog.port import Port
from analog.spec import Spec

from ..descent import Descent, DescentState
from ..estimators.base import Estimator
from ..estimators.control_variates import ControlVariate
from ..estimators.gradient import knob_gradient
from ..learner import Batch, Step
from ..losses import Loss, known_gradient
from ..updates.record import Update


class PerGroupLoss(Loss):
    """A loss for outputs in equal and consecutive parts, each an answer of its own to the same question.

    With a head `grouped(features, parts * outputs, parts, linear=True)` every group of features is taught
    by what it alone can tell.

    Args:
        loss: of the outputs of one part.
        parts: how many there are.

    Raises:
        ValueError: `loss` does not know its gradient.
    """

    def __init__(self, loss: Loss, parts: int) -> None:
        self.loss, self.parts = loss, parts
        self._gradient = known_gradient(loss, "PerGroupLoss")

    def value(self, out: Tensor, target: Any) -> Tensor:
        return self.loss(self._split(out), target).movedim(0, -1)

    def gradient(self, out: Tensor, target: Any) -> Tensor:
        """d (sum of the parts' losses) / d out, (..., batch, features): each part's own, side by side."""
        return self._gradient(self._split(out), target).movedim(0, -2).flatten(-2)

    def _split(self, out: Tensor) -> Tensor:  # (parts, ..., batch, outputs)
        return out.unflatten(-1, (self.parts, -1)).movedim(-2, 0)


class _HeadTarget(NamedTuple):
    """What the copies of a head are asked, by what head, and at what features all others stay."""

    target: Any  # as the loss of the head's outputs wants it
    knobs: Tensor  # (*fleet, 1, outputs, channels + 1), of the head
    baseline: Tensor | None = None  # (*fleet, batch, features), the block's outputs without a probe


@dataclass(frozen=True)
class _HeadCopies(Loss):
    """The loss of a block's outputs under copies of one head, each of which sees its own part move alone.

    Parts are ordered patch by patch, within a patch group by group, as the block's outputs are.
    """

    loss: Loss  # of a head's outputs
    outputs: int
    groups: int
    patches: int

    @property
    def parts(self) -> int:  # type: ignore[override]
        return self.groups * self.patches

    def freeze(self, out: Tensor, target: _HeadTarget) -> _HeadTarget:
        return target._replace(baseline=out)

    def value(self, out: Tensor, target: _HeadTarget) -> Tensor:
        losses = self.loss(self._copies(out, target), target.target).movedim(0, -1)
        return losses.expand(*losses.shape[:-1], self.parts)

    def gradient(self, out: Tensor, target: _HeadTarget) -> Tensor:
        """The gradient of the sum of all copies' losses, each at its own part."""
        at_outputs = known_gradient(self.loss, "ReplicatedHeads")(self._copies(out, target), target.target)
        at_channels = at_outputs @ target.knobs[..., 0, :, :-1] / self.patches  # (parts or 1, ..., channels)
        each = at_channels.expand(self.parts, *at_channels.shape[1:]).unflatten(
            0, (self.patches, self.groups)
        )
        alone = each.unflatten(-1, (self.groups, -1)).diagonal(
            dim1=1, dim2=-2
        )  # (patches, ..., share, groups)
        return alone.movedim(0, -3).mT.flatten(-3)

    def answers(self, features: Tensor, knobs: Tensor) -> Tensor:
        """The answers of a head to a block's outputs.

        Args:
            features: (..., batch, features).
            knobs: (*fleet, 1, outputs, channels + 1).

        Returns:
            (..., batch, outputs).
        """
        layer = self.layer(features.shape[-1])
        return layer.scatter(layer.gather(self.means(features)) @ knobs.mT)

    def layer(self, features: int) -> Dense:
        """The head's wiring, for a block of so many outputs."""
        return dense(features // self.patches, self.outputs, linear=True)

    def means(self, features: Tensor) -> Tensor:  # (..., batch, channels)
        """What drives the head: the mean over patches."""
        return features.unflatten(-1, (self.patches, -1)).mean(-2)

    def _copies(self, out: Tensor, target: _HeadTarget) -> Tensor:
        """What the copies say, each to its own part as it is now and to all others as they were.

        (parts, ..., batch, outputs), or (1, ..., batch, outputs) where all say the same.
        """
        baseline, knobs = target.baseline, target.knobs
        assert baseline is not None  # frozen before anything is judged
        answers = self.answers(baseline, knobs)
        if out is baseline:
            return answers.unsqueeze(0)  # nothing moved
        weights = knobs[..., 0, :, :-1].unflatten(-1, (self.groups, -1))  # (*fleet, outputs, groups, share)
        moved = self._by_group(out - baseline) / self.patches
        change = (moved @ weights.movedim(-2, -3).mT).unflatten(-2, (-1, self.patches))
        return answers + change.movedim((-2, -4), (0, 1)).flatten(0, 1)

    def _by_group(self, activity: Tensor) -> Tensor:
        """(..., batch, features) -> (..., groups, batch * patches, share)"""
        grouped = activity.unflatten(-1, (self.patches, self.groups, -1))
        return grouped.movedim(-2, -4).flatten(-3, -2)


class HeadsState(NamedTuple):
    """The state of `ReplicatedHeads`: that of its block, and the head's knobs and update."""

    block: DescentState
    knobs: Tensor  # (*fleet, 1, outputs, channels + 1), of the head
    head: Any  # its update's state


@dataclass(frozen=True)
class ReplicatedHeads:
    """A block of layers under copies of one digital head, one for each group of channels at each patch.

    The block is taught by `Descent` on the copies' losses, the head by its delta rule.

    Args:
        estimator: of the block's gradient; any that `Descent` takes.
        update, head: of the block's knobs, and of the head's.
        loss: of the head's outputs; it knows its gradient.
        outputs: of the head, which begins at zero.
        groups, patches: the block's outputs are ordered patch by patch, within a patch group by group.
        parts_per_layer: into how many such consecutive parts each layer's nodes fall, for layers whose nodes
            reach several parts (a node after token mixing reaches all groups of its patch); None: as the
            outputs.
        control_variate: predicts gradients (e.g. `WeightMirrors` of the same groups and patches), so that
            only what it did not predict has to be estimated.

    Raises:
        ValueError: settings that do not go together.
    """

    estimator: Estimator
    update: Update
    head: Update
    loss: Loss
    outputs: int
    groups: int = 1
    patches: int = 1
    parts_per_layer: Sequence[int] | None = None
    control_variate: ControlVariate | None = None

    def __post_init__(self) -> None:
        if min(self.groups, self.patches, self.outputs) < 1:
            raise ValueError(f"ReplicatedHeads: sizes must be at least 1, got {self}")
        known_gradient(self.loss, "ReplicatedHeads")
        _ = self._block  # refuses settings that do not go together

    def needs(self, spec: Spec) -> Access:
        """The access that it needs, by its estimator and control variate; its head reads the outputs."""
        return self._block.needs(spec)

    def init(self, spec: Spec) -> HeadsState:
        """The state before the first step.

        Raises:
            ValueError: the settings do not fit the block.
        """
        features, parts = spec.layers[-1].features, self.groups * self.patches
        if features % parts:
            raise ValueError(f"ReplicatedHeads: {parts} parts do not divide {features} features")
        layer = self._copies.layer(features)
        shape = (*spec.fleet, layer.tiles, layer.rows, layer.cols)
        knobs = torch.zeros(shape, dtype=spec.dtype, device=spec.on)
        return HeadsState(self._block.init(spec), knobs, self.head.init((knobs,)))

    def step(
        self, port: Port, batch: Batch, state: HeadsState, generator: Generator
    ) -> tuple[HeadsState, Step]:
        """Pulse the block by its estimated gradient, then let the head follow its delta rule."""
        asked = batch._replace(target=_HeadTarget(batch.target, state.knobs))
        block, step = self._block.step(port, asked, state.block, generator)
        features = step.baseline.out
        answers = self.answers(features, state.knobs)
        at_outputs = known_gradient(self.loss, "ReplicatedHeads")(answers, batch.target)
        layer = self._copies.layer(features.shape[-1])
        delta = knob_gradient(layer, at_outputs, self._copies.means(features), precision=port.spec.precision)
        (drive,), head = self.head.step((delta,), state.head)
        losses = self.loss(answers, batch.target)
        return HeadsState(block, state.knobs + drive, head), Step(losses.mean(-1), step.baseline)

    def answers(self, features: Tensor, knobs: Tensor) -> Tensor:
        """The head's answers to a block's outputs, (..., batch, features) -> (..., batch, outputs)."""
        return self._copies.answers(features, knobs)

    @cached_property
    def _copies(self) -> _HeadCopies:
        return _HeadCopies(self.loss, self.outputs, self.groups, self.patches)

    @cached_property
    def _block(self) -> Descent:
        return Descent(
            self.estimator,
            self.update,
            self._copies,
            delta_rule=False,
            control_variate=self.control_variate,
            parts_per_layer=self.parts_per_layer,
        )
