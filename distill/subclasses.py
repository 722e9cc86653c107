"""Subclasses that a teacher invents, so that it has more to say of each stimulus than there are classes.

Mueller, Kornblith and Hinton, "Subclass distillation" (2020): a teacher of C x S outputs, a class's
probability the sum over its S subclasses; an auxiliary term over all pairs of a mini-batch keeps it from
using one subclass of each class alone. The student matches the softened probabilities of all C x S
subclasses, which is `Soft` at that many outputs.

The auxiliary term is quoted from memory, not from the paper. Where we differ and why: a probed chip needs one
loss for each example. The paper's term is one number for a mini-batch; here each example bears its own share,
how alike it is to the others, who are taken as they read. By symmetry its slope is half that of the sum, and
probes at other examples average out of it. Outputs are compared by their direction, centred over the
subclasses of one example and not over the mini-batch, and only those of the example's own class with examples
of the same class: the label keeps the others apart already. A direction of two subclasses has nowhere to
turn; so it is blunt, and small outputs have little of one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from learners.losses import CrossEntropy
from learners.losses import Loss

from .answers import whole

BLUNT = 1.0  # of a squared length: outputs much smaller have no direction yet, and can still turn round


@dataclass(frozen=True)
class Subclassed(Loss):
    """Cross-entropy to the class, its subclasses summed, and `apart` times how alike its choices are.

    An example's subclass outputs of its own class, centred, are z, and r = z / sqrt(|z|^2 + 1); how alike it
    is to others of its class is `width` log mean exp(r . r' / width): 1 when all agree and are large,
    below that when they fill all directions. An example that is alone of its class has none.
    """

    classes: int
    apart: float = 0.3  # nats; on held-out digits, whose teachers then use 1.9 of 2 subclasses
    width: float = 0.5  # the lower, the more the most alike pairs count

    def __post_init__(self) -> None:
        whole("Subclassed: classes", self.classes, 2)
        if not (0 <= self.apart < float("inf") and 0 < self.width < float("inf")):
            raise ValueError(f"Subclassed: apart is at least 0 and width above 0, both finite, got {self}")

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        each = self._each(out)
        return CrossEntropy().value(each.logsumexp(-1), target) + self.apart * self._alike(each, target)[
            0
        ].unsqueeze(-1)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        each = self._each(out)
        named = CrossEntropy().gradient(each.logsumexp(-1), target)
        slope = named.unsqueeze(-1) * each.softmax(-1)
        own = _own(target, each)
        pushed = torch.zeros_like(each).scatter(-2, own, self._alike(each, target)[1].unsqueeze(-2))
        return (slope + self.apart * pushed).flatten(-2)

    def _each(self, out: Tensor) -> Tensor:  # (..., batch, C, S)
        if out.shape[-1] % self.classes:
            raise ValueError(
                f"Subclassed: {out.shape[-1]} outputs cannot be shared among {self.classes} classes"
            )
        return out.unflatten(-1, (self.classes, -1))

    def _alike(self, each: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """How alike each example is to others of its class (..., batch); the slope (..., batch, S) there."""
        z = each.gather(-2, _own(target, each)).squeeze(-2)  # (..., batch, S)
        z = z - z.mean(-1, keepdim=True)
        length = (z.square().sum(-1, keepdim=True) + BLUNT).sqrt()
        r = z / length
        mates = target.unsqueeze(-1) == target.unsqueeze(-2)
        mates = mates & ~torch.eye(target.shape[-1], dtype=torch.bool, device=target.device)
        count = mates.sum(-1)
        others = (r @ r.detach().mT / self.width).masked_fill(~mates, -torch.inf)
        others = others.masked_fill((count == 0).unsqueeze(-1), 0.0)  # no logarithm of nothing
        weights = others.softmax(-1) * (count > 0).unsqueeze(-1)
        alike = self.width * (others.logsumexp(-1) - count.clamp(min=1).to(z.dtype).log())
        alike = alike * (count > 0)
        toward = weights @ r.detach()
        slope = (toward - (toward * r).sum(-1, keepdim=True) * r) / length
        return alike, slope - slope.mean(-1, keepdim=True)


def _own(target: Tensor, each: Tensor) -> Tensor:  # (..., batch, 1, S), where an example's own class is
    at = target.expand(each.shape[:-2])[..., None, None]
    return at.expand(*each.shape[:-2], 1, each.shape[-1])
