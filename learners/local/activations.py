"""Activation functions with their potentials, and the loss that matches each.

An increasing activation f has a convex potential F (F' = f, for a softmax the gradient), and with it a
matching loss, the Bregman divergence of F (Auer, Herbster and Warmuth, "Exponentially many local minima for
single neurons", 1995, https://papers.nips.cc/paper/1995/hash/3806734b256c27e41ec2c6bffa26d9e7-Abstract.html;
Amid, Anil and Warmuth 2022, https://arxiv.org/abs/2106.06199, section 3):

    D(a, b) = F(a) - F(b) - f(b).(a - b) >= 0,   dD/da = f(a) - f(b)

so no derivative f' enters its gradient, and a saturated neuron can still be moved. A target y that no input
gives (beyond 1 for tanh) has no b; F(a) - y.a has the same gradient f(a) - y and serves instead.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import softplus


class Activation(NamedTuple):
    """An activation function of the sums at a layer's nodes, (..., batch, features), and its relatives."""

    forward: Callable[[Tensor], Tensor]  # sums -> outputs
    potential: Callable[[Tensor], Tensor]  # sums -> (..., batch), the convex F whose gradient is `forward`
    derivative: Callable[[Tensor], Tensor]  # outputs -> f' at the sums that gave them
    inverse: Callable[[Tensor], Tensor] | None = None  # outputs -> sums, where outputs tell

    def matching_loss(self, sums: Tensor, target: Tensor) -> Tensor:
        """The matching loss up to what does not depend on the sums, F(a) - y.a.

        Args:
            sums: a, (..., batch, features).
            target: y, wanted outputs (..., batch, features).

        Returns:
            (..., batch)
        """
        return self.potential(sums) - (target * sums).sum(-1)

    def divergence(self, sums: Tensor, other: Tensor) -> Tensor:
        """The matching loss D(a, b) of sums a from sums b, (..., batch, features) each.

        Returns:
            (..., batch), never negative.
        """
        return self.potential(sums) - self.potential(other) - (self.forward(other) * (sums - other)).sum(-1)


def _same(a: Tensor) -> Tensor:
    return a


identity = Activation(_same, lambda a: 0.5 * a.square().sum(-1), torch.ones_like, _same)
tanh = Activation(
    torch.tanh,
    lambda a: (softplus(2 * a) - a - softplus(torch.zeros_like(a))).sum(-1),  # log cosh, without overflow
    lambda y: 1 - y.square(),
    lambda y: y.clamp(
        torch.finfo(y.dtype).eps - 1, 1 - torch.finfo(y.dtype).eps
    ).atanh(),  # else infinite at 1
)
sigmoid = Activation(torch.sigmoid, lambda a: softplus(a).sum(-1), lambda y: y * (1 - y), torch.logit)
relu = Activation(torch.relu, lambda a: 0.5 * a.relu().square().sum(-1), lambda y: (y > 0).to(y.dtype))
softmax = Activation(
    lambda a: a.softmax(-1),
    lambda a: a.logsumexp(-1),
    lambda y: y * (1 - y),  # of each output to its own sum; the others' are left out
)
