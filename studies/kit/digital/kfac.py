"""K-FAC, compact: natural gradient with a Kronecker-factored Fisher matrix for each layer.

Martens and Grosse, ICML 2015, block-diagonal form: with z a layer's inputs (and a 1 for its bias), d the
slope at its sums for targets drawn from the network's own answers, A = E zz' and B = E dd' (running means),

    dW = -rate (B + r/pi I)^-1 G (A + r pi I)^-1,  r^2 = damping,  pi^2 = (tr A / dim A) / (tr B / dim B)

(section 6.3), with momentum. Where we differ: instead of fitting step sizes to a quadratic model, steps are
bounded by a trust region, rate^2 dW.G <= `reach` (Ba, Grosse and Martens, ICLR 2017); damping is constant.

Written here because no library served: kfac-pytorch is not on the package index, and singd's K-FAC-like form
(0.0.5) diverges on this loss or, with a step small enough not to, is no faster than gradient descent.
"""

from typing import NamedTuple

import torch
from torch import Generator
from torch import Tensor
from torch import nn


class Factors(NamedTuple):
    """Of one layer."""

    inputs: Tensor  # A, (inputs + 1, inputs + 1)
    slopes: Tensor  # B, (outputs, outputs)


def factors(net: nn.Sequential, x: Tensor, generator: Generator) -> list[Factors]:
    """A and B of every linear layer for sigmoid outputs, targets drawn from what the network answers."""
    seen, sums = [], []
    with torch.enable_grad():
        out = x
        for part in net:
            if isinstance(part, nn.Linear):
                seen.append(torch.cat((out.detach(), out.new_ones(len(out), 1)), -1))
            out = part(out)
            if isinstance(part, nn.Linear):
                sums.append(out)
        drawn = torch.rand(out.shape, generator=generator, dtype=out.dtype) < out.detach().sigmoid()
        loss = nn.functional.binary_cross_entropy_with_logits(out, drawn.to(out.dtype), reduction="sum")
    slopes = torch.autograd.grad(loss, sums)
    return [Factors(z.mT @ z / len(x), d.mT @ d / len(x)) for z, d in zip(seen, slopes, strict=True)]


def natural(gradient: Tensor, held: Factors, damping: float) -> Tensor:
    """(B + ..)^-1 G (A + ..)^-1 of a layer's gradient (outputs, inputs + 1)."""
    return _solved(*_damped(held, damping), gradient)


def _damped(held: Factors, damping: float) -> tuple[Tensor, Tensor]:
    a, b = held
    tiny = torch.finfo(a.dtype).tiny
    pi = ((a.trace() / len(a)).clamp(min=tiny) / (b.trace() / len(b)).clamp(min=tiny)).sqrt()
    root = damping**0.5
    roots = []
    for matrix, add in ((a, pi * root), (b, root / pi)):
        roots.append(torch.linalg.cholesky(matrix + add * torch.eye(len(matrix), dtype=matrix.dtype)))
    return roots[0], roots[1]


def _solved(a: Tensor, b: Tensor, gradient: Tensor) -> Tensor:
    return torch.cholesky_solve(torch.cholesky_solve(gradient, b).mT, a).mT


class KFAC:
    """Used like an optimizer of torch's; call `watch` with each batch before `step`."""

    def __init__(
        self,
        net: nn.Sequential,
        rate: float,
        generator: Generator,
        *,
        damping: float = 0.01,
        momentum: float = 0.9,
        memory: float = 0.95,  # of the factors, per watched batch
        every: int = 5,  # steps from one look at the factors to the next
        reach: float = 3e-3,
    ) -> None:
        self.net, self.generator, self.layers = net, generator, [p for p in net if isinstance(p, nn.Linear)]
        self.damping, self.memory, self.every, self.reach = damping, memory, every, reach
        self.seen = 0
        self.factors: list[Factors] = []
        self.roots: list[tuple[Tensor, Tensor]] = []
        self.velocities: list[Tensor] = []
        self.param_groups: list[dict[str, float]] = [{"lr": rate, "momentum": momentum}]

    def zero_grad(self) -> None:
        """Forget the last gradients."""
        self.net.zero_grad()

    def watch(self, x: Tensor) -> None:
        """Refresh the factors, where it is time to."""
        if self.seen % self.every == 0:
            fresh = factors(self.net, x, self.generator)
            keep = min(self.memory, 1 - 1 / (self.seen // self.every + 1))
            old = self.factors or fresh
            self.factors = [
                Factors(*(o.lerp(n, 1 - keep) for o, n in zip(was, now, strict=True)))
                for was, now in zip(old, fresh, strict=True)
            ]
            self.roots = [_damped(f, self.damping) for f in self.factors]
        self.seen += 1

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights, given their gradients."""
        (group,) = self.param_groups
        moves, along = [], 0.0
        for layer, roots in zip(self.layers, self.roots, strict=True):
            assert layer.weight.grad is not None and layer.bias.grad is not None
            gradient = torch.cat((layer.weight.grad, layer.bias.grad.unsqueeze(-1)), -1)
            moves.append(_solved(*roots, gradient))
            along += float((moves[-1] * gradient).sum())
        bound = min(1.0, (self.reach / (group["lr"] ** 2 * along + 1e-30)) ** 0.5)
        before = self.velocities or [torch.zeros_like(m) for m in moves]
        self.velocities = [v * group["momentum"] + m * bound for v, m in zip(before, moves, strict=True)]
        for layer, velocity in zip(self.layers, self.velocities, strict=True):
            layer.weight.sub_(velocity[:, :-1], alpha=group["lr"])
            layer.bias.sub_(velocity[:, -1], alpha=group["lr"])
