"""Subclass distillation: a teacher invents subclasses, so that it says more of each stimulus than its class.

Mueller, Kornblith and Hinton, "Subclass distillation" (2020, https://arxiv.org/abs/2002.03936): a teacher of
C x S outputs, a class's probability the sum over its S subclasses; an auxiliary term over all pairs of a
mini-batch keeps it from using one subclass of each class alone. The student matches the softened
probabilities of all C x S subclasses, which is `SoftLabels` at that many outputs.

The auxiliary term is quoted from memory, not from the paper. Where we differ and why: a probed chip needs one
loss for each example. The paper's term is one number for a mini-batch; here each example bears its own share,
how alike it is to the others, who are taken as they read. By symmetry its gradient is half that of the sum,
and probes at other examples average out of it. Outputs are compared by their direction, centered over the
subclasses of one example and not over the mini-batch, and only those of the example's own class with examples
of the same class: the label keeps the others apart already. A direction of two subclasses has nowhere to
turn; so it is blunt, and small outputs have little of one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from learners.losses import CrossEntropy, Loss

from .answer_format import check_integer

BLUNTNESS = 1.0  # V^2, of a squared length: outputs much smaller have no direction yet, and can still turn


@dataclass(frozen=True)
class SubclassLoss(Loss):
    """The loss of a teacher of subclasses: cross-entropy to the class, and how alike its choices are.

    The class's probability is the sum over its subclasses. An example's subclass outputs of its class,
    centered, are z, and r = z / sqrt(|z|^2 + 1); its similarity to others of its class is, at the auxiliary
    temperature T, T log mean exp(r . r' / T): 1 when all agree and are large, below that when they fill all
    directions. An example that is alone of its class has none.

    Raises:
        ValueError: a setting is out of its range.
    """

    classes: int
    auxiliary_weight: float = 0.3  # nats; on held-out digits, whose teachers then use 1.9 of 2 subclasses
    auxiliary_temperature: float = 0.5  # the lower, the more the most alike pairs count
    couples_examples = True  # each is compared with the others of its class as they read

    def __post_init__(self) -> None:
        check_integer("SubclassLoss: classes", self.classes, 2)
        if not (0 <= self.auxiliary_weight < float("inf") and 0 < self.auxiliary_temperature < float("inf")):
            raise ValueError(
                "SubclassLoss: auxiliary_weight is at least 0, auxiliary_temperature above 0, "
                f"both finite; got {self}"
            )

    def value(self, out: Tensor, target: Tensor) -> Tensor:
        subclasses = self._subclasses(out)
        entropy = CrossEntropy().value(subclasses.logsumexp(-1), target)
        return entropy + self.auxiliary_weight * self._similarity(subclasses, target)[0].unsqueeze(-1)

    def gradient(self, out: Tensor, target: Tensor) -> Tensor:
        """d value / d out, (..., batch, C x S)."""
        subclasses = self._subclasses(out)
        of_classes = CrossEntropy().gradient(subclasses.logsumexp(-1), target)
        gradient = of_classes.unsqueeze(-1) * subclasses.softmax(-1)
        auxiliary = self._similarity(subclasses, target)[1].unsqueeze(-2)
        auxiliary = torch.zeros_like(subclasses).scatter(-2, _rows_of(target, subclasses), auxiliary)
        return (gradient + self.auxiliary_weight * auxiliary).flatten(-2)

    def _subclasses(self, out: Tensor) -> Tensor:  # (..., batch, C, S)
        if out.shape[-1] % self.classes:
            raise ValueError(
                f"SubclassLoss: {out.shape[-1]} outputs cannot be shared among {self.classes} classes"
            )
        return out.unflatten(-1, (self.classes, -1))

    def _similarity(self, subclasses: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """How alike each example is to others of its class (..., batch); its gradient (..., batch, S)."""
        z = subclasses.gather(-2, _rows_of(target, subclasses)).squeeze(-2)  # (..., batch, S)
        z = z - z.mean(-1, keepdim=True)
        length = (z.square().sum(-1, keepdim=True) + BLUNTNESS).sqrt()
        r = z / length
        mates = target.unsqueeze(-1) == target.unsqueeze(-2)
        mates = mates & ~torch.eye(target.shape[-1], dtype=torch.bool, device=target.device)
        count = mates.sum(-1)
        others = (r @ r.detach().mT / self.auxiliary_temperature).masked_fill(~mates, -torch.inf)
        others = others.masked_fill((count == 0).unsqueeze(-1), 0.0)  # no logarithm of nothing
        weights = others.softmax(-1) * (count > 0).unsqueeze(-1)
        count_or_one = count.clamp(min=1).to(z.dtype)
        similarity = self.auxiliary_temperature * (others.logsumexp(-1) - count_or_one.log())
        similarity = similarity * (count > 0)
        toward = weights @ r.detach()
        gradient = (toward - (toward * r).sum(-1, keepdim=True) * r) / length
        return similarity, gradient - gradient.mean(-1, keepdim=True)


def _rows_of(target: Tensor, subclasses: Tensor) -> Tensor:  # (..., batch, 1, S)
    """The index that gathers, of (..., batch, C, S), the row of each example's class."""
    index = target.expand(subclasses.shape[:-2])[..., None, None]
    return index.expand(*subclasses.shape[:-2], 1, subclasses.shape[-1])
