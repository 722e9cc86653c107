"""Weight mirrors: the wiring of a block, learnt from what probes do at its taps, predicts the gradient there.

Akrout, Wilson, Humphreys, Lillicrap and Tweed, "Deep learning without weight transport" (2019),
https://arxiv.org/abs/1904.05391: noise sent into one layer, correlated with what the next then shows, is the
weights between them. Here the noise is the probe that node perturbation sends anyway, so mirrors cost no
reading.

Where we differ: they carry errors back in place of weights; here they only predict gradients, and the probes
say what was not predicted, so the estimate keeps its mean whatever the mirrors hold. Neurons are taken as
straight where they are active. Mirrors are kept within groups of channels, and all patches share them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Spec

from .base import ProbeResult
from .control_variates import ControlVariate, validate_variate
from .gradient import Gradient, Place


class MirrorState(NamedTuple):
    """The statistics of one layer's mirror: fading sums over examples where both ends were active."""

    own: Tensor  # (*fleet, groups, 1, share), of a node's push and the change at its own tap
    own_power: Tensor  # the same, of squared pushes
    next: (
        Tensor | None
    )  # (*fleet, groups, share, share above), of pushes and changes at the next layer's taps
    next_power: Tensor | None


@dataclass(frozen=True)
class WeightMirrors(ControlVariate[tuple[MirrorState, ...]]):
    """Predicts the gradient at every node of a block from the gradient at the block's outputs.

    Args:
        decay: of the sums, per step.
        estimate_weight: of what was not predicted; 1 is unbiased.
        groups: every layer's nodes fall into equal groups that keep to themselves.
        patches: the nodes are ordered patch by patch, within a patch group by group.

    Raises:
        ValueError: a setting is out of its range.
    """

    decay: float = 0.9
    estimate_weight: float = 1.0
    groups: int = 1
    patches: int = 1

    def __post_init__(self) -> None:
        validate_variate("WeightMirrors", self.decay, self.estimate_weight)
        if min(self.groups, self.patches) < 1:
            raise ValueError(
                f"WeightMirrors: groups is {self.groups} and patches {self.patches}, wanted at least 1"
            )

    @property
    def predicts_at(self) -> Place:
        return "nodes"

    @property
    def needs_output_gradient(self) -> bool:
        return True

    def init(self, spec: Spec, whole: Spec) -> tuple[MirrorState, ...]:
        """Mirrors that show nothing.

        Raises:
            ValueError: the last layer is not probed with all others, or nodes do not fall into equal groups.
        """
        if spec.layers != whole.layers:
            raise ValueError(
                f"WeightMirrors: {len(spec.layers)} of {len(whole.layers)} layers are probed together, "
                "wanted all: predictions start from the gradient at the last probed layer's taps"
            )
        sizes = [layer.features for layer in spec.layers]
        if any(size % (self.groups * self.patches) for size in sizes):
            raise ValueError(
                f"WeightMirrors: {self.groups} groups of {self.patches} patches do not divide layers of "
                f"{sizes} nodes"
            )
        shares = [size // (self.groups * self.patches) for size in sizes]
        zero, lead = torch.zeros((), dtype=spec.dtype, device=spec.on), (*spec.fleet, self.groups)

        def mirror(share: int, above: int | None) -> MirrorState:
            own = zero.expand(*lead, 1, share)
            following = None if above is None else zero.expand(*lead, share, above)
            return MirrorState(own, own, following, following)

        return tuple(map(mirror, shares, (*shares[1:], None)))

    def predict(
        self, state: tuple[MirrorState, ...], spec: Spec, result: ProbeResult, output_gradient: Tensor | None
    ) -> Gradient:
        assert output_gradient is not None  # it was asked for
        active = [(self._split(tap) != 0).to(tap.dtype) for tap in result.baseline.taps]
        gain = _ratio(state[-1].own, state[-1].own_power)
        found = [active[-1] * gain * self._split(output_gradient)]
        for at in range(len(state) - 2, -1, -1):
            mirror, above = state[at], state[at + 1]
            assert mirror.next is not None
            assert mirror.next_power is not None
            gain = _ratio(above.own, above.own_power)
            at_tap = found[0] * _ratio(torch.ones_like(gain), gain)  # the gradient at the tap above
            found.insert(0, active[at] * (at_tap @ _ratio(mirror.next, mirror.next_power).mT))
        return Gradient(nodes=tuple(map(self._join, found)))

    def observe(
        self,
        state: tuple[MirrorState, ...],
        spec: Spec,
        predicted: Gradient,
        result: ProbeResult,
        output_gradient: Tensor | None,
        estimate: Gradient,
    ) -> tuple[MirrorState, ...]:
        del spec, predicted, output_gradient, estimate  # what moved the taps is what was sent
        active = [(self._split(tap) != 0).to(tap.dtype) for tap in result.baseline.taps]
        taps = zip(result.probed.taps, result.baseline.taps, strict=True)
        changes = [self._split(probed - baseline) for probed, baseline in taps]
        assert result.probe.nodes is not None  # probes enter where it predicts
        after = []
        for at, (mirror, push) in enumerate(zip(state, result.probe.nodes, strict=True)):
            if push is None:
                after.append(mirror)
                continue
            sent = self._split(push) * active[at]
            above = None if mirror.next is None else (changes[at + 1] * active[at + 1], active[at + 1])
            after.append(self._remember(mirror, sent, changes[at], above))
        return tuple(after)

    def _remember(
        self, mirror: MirrorState, sent: Tensor, change: Tensor, above: tuple[Tensor, Tensor] | None
    ) -> MirrorState:
        """One layer's mirror after one more step.

        Args:
            sent, change: (probes, *fleet, groups, examples, share), at the layer's own nodes and taps.
            above: the same change at the next layer's taps, and where its neurons were active.
        """
        own = (sent * change).sum((0, -2)).unsqueeze(-2)
        power = sent.square().sum((0, -2)).unsqueeze(-2)
        following, both = mirror.next, mirror.next_power
        if above is not None:
            assert following is not None
            assert both is not None
            moved, active = above
            following = following * self.decay + (sent.mT @ moved).sum(0)
            both = both * self.decay + sent.square().sum(0).mT @ active
        return MirrorState(
            mirror.own * self.decay + own, mirror.own_power * self.decay + power, following, both
        )

    def _split(self, activity: Tensor) -> Tensor:
        """(..., batch, features) -> (..., groups, batch * patches, share)"""
        shares = activity.unflatten(-1, (self.patches, self.groups, -1))
        return shares.movedim(-2, -4).flatten(-3, -2)

    def _join(self, shares: Tensor) -> Tensor:
        """The inverse of `_split`."""
        return shares.unflatten(-2, (-1, self.patches)).movedim(-4, -2).flatten(-3)


def _ratio(sums: Tensor, powers: Tensor) -> Tensor:
    """Zero where nothing was observed."""
    return torch.where(powers == 0, torch.zeros_like(sums), sums / powers)
