"""Mirrors of a block's wiring, learnt from what probes do at its taps: what they foretell need not be probed.

Akrout, Wilson, Humphreys, Lillicrap and Tweed, "Deep learning without weight transport" (2019): noise sent
into one layer, correlated with what the next then shows, is the weights between them. Here the noise is the
probe that node perturbation sends anyway, so mirrors cost no reading.

Where we differ: they carry errors back in place of weights; here they only foresee slopes, and the probes say
what was not foreseen (`learners.estimators.control_variates`), so the estimate keeps its mean
whatever the mirrors hold. Neurons are taken as straight where they are not silent. Mirrors are kept within
groups of channels.
"""

from collections.abc import Callable
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Spec


class Image(NamedTuple):
    """What one layer's mirror is made of: sums that fade, over examples where both ends were active."""

    own: Tensor  # (*fleet, groups, 1, share), of a node's push and the change at its own tap
    own_power: Tensor  # the same, of squared pushes
    next: (
        Tensor | None
    )  # (*fleet, groups, share, share above), of pushes and changes at the next layer's taps
    next_power: Tensor | None


Apart = Callable[[Tensor], Tensor]  # (..., batch, features) -> (..., groups, examples, share)


@dataclass(frozen=True)
class Mirrors:
    """Foresees the slope at every node of a block from the slope at its outputs."""

    decay: float = 0.9  # of the sums, per step
    trust: float = 1.0  # share of what was not foreseen that is believed; 1 is unbiased

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1 or not 0 <= self.trust <= 1:
            raise ValueError(f"Mirrors: wanted 0 <= decay < 1 and 0 <= trust <= 1, got {self}")

    def init(self, spec: Spec, groups: int) -> tuple[Image, ...]:
        """Mirrors that show nothing; every layer's nodes fall into equal groups that keep to themselves."""
        blank = spec.zeros()[0].new_zeros(())
        sizes = [la.tiles * la.rows // groups for la in spec.layers]
        lead = (*spec.fleet, groups)

        def image(share: int, above: int | None) -> Image:
            own = blank.expand(*lead, 1, share)
            following = None if above is None else blank.expand(*lead, share, above)
            return Image(own, own, following, following)

        return tuple(map(image, sizes, (*sizes[1:], None)))

    def foresee(
        self, held: Sequence[Image], taps: Sequence[Tensor], slope: Tensor, apart: Apart
    ) -> list[Tensor]:
        """Slopes at each layer's nodes, apart, from those at the last tap (..., batch, features)."""
        active = [(apart(tap) != 0).to(tap.dtype) for tap in taps]
        found = [active[-1] * _ratio(held[-1].own, held[-1].own_power) * apart(slope)]
        for at in range(len(held) - 2, -1, -1):
            image, above = held[at], held[at + 1]
            assert image.next is not None and image.next_power is not None
            gain = _ratio(above.own, above.own_power)
            at_tap = found[0] * _ratio(torch.ones_like(gain), gain)  # the slope at the tap above
            found.insert(0, active[at] * (at_tap @ _ratio(image.next, image.next_power).mT))
        return found

    def learn(
        self,
        held: Sequence[Image],
        taps: Sequence[Tensor],
        probed: Sequence[Tensor],
        pushes: Sequence[Tensor],
        apart: Apart,
    ) -> tuple[Image, ...]:
        """What they show after one more step's probes."""
        active = [(apart(tap) != 0).to(tap.dtype) for tap in taps]
        changes = [apart(after - before) for after, before in zip(probed, taps, strict=True)]
        sent = [apart(push) * a for push, a in zip(pushes, active, strict=True)]
        kept = []
        for at, image in enumerate(held):
            own = (sent[at] * changes[at]).sum((0, -2)).unsqueeze(-2)
            power = sent[at].square().sum((0, -2)).unsqueeze(-2)
            following, both = image.next, image.next_power
            if following is not None and both is not None:
                above = changes[at + 1] * active[at + 1]
                following = following * self.decay + (sent[at].mT @ above).sum(0)
                both = both * self.decay + sent[at].square().sum(0).mT @ active[at + 1]
            kept.append(
                Image(image.own * self.decay + own, image.own_power * self.decay + power, following, both)
            )
        return tuple(kept)


def _ratio(sums: Tensor, powers: Tensor) -> Tensor:
    """Zero where nothing has been seen."""
    return torch.where(powers == 0, torch.zeros_like(sums), sums / powers)
