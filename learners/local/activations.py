"""Curves of neurons with the area under them, and the loss that matches each.

A neuron with an increasing curve f has a convex area F under it (F' = f, for a softmax the gradient), and
with it a matching loss (Auer, Herbster and Warmuth 1995; Amid, Anil and Warmuth 2022, section 3):

    D(a, b) = F(a) - F(b) - f(b).(a - b) >= 0,   dD/da = f(a) - f(b)

so no slope f' enters its gradient, and a saturated neuron can still be moved. A wanted output y that no
input gives (beyond 1 for tanh) has no b; F(a) - y.a has the same gradient f(a) - y and serves instead.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Neuron(NamedTuple):
    """What units of a layer do to the sums at their nodes, (..., batch, features) each."""

    fire: Callable[[Tensor], Tensor]  # sums -> outputs
    area: Callable[[Tensor], Tensor]  # sums -> (..., batch), the convex F whose gradient is `fire`
    slope: Callable[[Tensor], Tensor]  # outputs -> f' at the sums that gave them
    undo: Callable[[Tensor], Tensor] | None = None  # outputs -> sums, where outputs tell

    def mismatch(self, sums: Tensor, wanted: Tensor) -> Tensor:  # (..., batch)
        """The matching loss up to what does not depend on `sums`: F(a) - y.a."""
        return self.area(sums) - (wanted * sums).sum(-1)

    def divergence(self, sums: Tensor, other: Tensor) -> Tensor:  # (..., batch)
        """The matching loss D(a, b) of sums a from sums b."""
        return self.area(sums) - self.area(other) - (self.fire(other) * (sums - other)).sum(-1)


def _same(a: Tensor) -> Tensor:
    return a


identity = Neuron(_same, lambda a: 0.5 * a.square().sum(-1), torch.ones_like, _same)
tanh = Neuron(
    torch.tanh,
    lambda a: (softplus(2 * a) - a - softplus(torch.zeros_like(a))).sum(-1),  # log cosh, without overflow
    lambda y: 1 - y.square(),
    lambda y: y.clamp(
        torch.finfo(y.dtype).eps - 1, 1 - torch.finfo(y.dtype).eps
    ).atanh(),  # else infinite at 1
)
sigmoid = Neuron(torch.sigmoid, lambda a: softplus(a).sum(-1), lambda y: y * (1 - y), torch.logit)
relu = Neuron(torch.relu, lambda a: 0.5 * a.relu().square().sum(-1), lambda y: (y > 0).to(y.dtype))
softmax = Neuron(
    lambda a: a.softmax(-1),
    lambda a: a.logsumexp(-1),
    lambda y: y * (1 - y),  # of each output to its own sum; the others' are left out
)
