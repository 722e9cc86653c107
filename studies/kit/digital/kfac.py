"""K-FAC, compact: natural gradient with a Kronecker-factored Fisher matrix for each layer.

Martens and Grosse, ICML 2015, https://arxiv.org/abs/1503.05671, block-diagonal form: with z a layer's inputs
(and a 1 for its bias), d the gradient at its sums for targets drawn from the network's own answers, A = E zz'
and B = E dd' (running means),

    dW = -rate (B + r/pi I)^-1 G (A + r pi I)^-1,  r^2 = damping,  pi^2 = (tr A / dim A) / (tr B / dim B)

(section 6.3), with momentum. Where we differ: instead of fitting step sizes to a quadratic model, steps are
bounded by a trust region, rate^2 dW.G <= `trust_region` (Ba, Grosse and Martens, ICLR 2017,
https://openreview.net/forum?id=SkkTMpjex); damping is constant.

A and B come from curvlinops (Dangel, Eschenhagen et al., https://github.com/f-dangel/curvlinops; extra
"baselines") or from a few lines of ours, which a test holds to it; the step is written here because no
library served: curvlinops has the matrices and no optimizer, kfac-pytorch is not on the package index, and
singd's K-FAC-like form (0.0.5) diverges on this loss or, with a step small enough not to, is no faster than
gradient descent.
"""

import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor, nn


class Factors(NamedTuple):
    """The Kronecker factors of one layer's Fisher matrix."""

    inputs: Tensor  # A, (inputs + 1, inputs + 1)
    gradients: Tensor  # B, (outputs, outputs)


def fisher_factors(net: nn.Sequential, x: Tensor, generator: Generator) -> list[Factors]:
    """A and B of every linear layer for sigmoid outputs, targets drawn from what the network answers.

    Args:
        x: (batch, features).
    """
    inputs, sums = [], []
    with torch.enable_grad():
        out = x
        for part in net:
            if isinstance(part, nn.Linear):
                inputs.append(torch.cat((out.detach(), out.new_ones(len(out), 1)), -1))
            out = part(out)
            if isinstance(part, nn.Linear):
                sums.append(out)
        samples = torch.rand(out.shape, generator=generator, dtype=out.dtype) < out.detach().sigmoid()
        loss = nn.functional.binary_cross_entropy_with_logits(out, samples.to(out.dtype), reduction="sum")
    gradients = torch.autograd.grad(loss, sums)
    return [Factors(z.mT @ z / len(x), d.mT @ d / len(x)) for z, d in zip(inputs, gradients, strict=True)]


def library_factors(net: nn.Sequential, x: Tensor, generator: Generator) -> list[Factors]:
    """The same factors by curvlinops, for targets that it draws itself, by a seed from this generator.

    Args:
        x: (batch, features).
    """
    linear = [(name, part) for name, part in net.named_modules() if isinstance(part, nn.Linear)]
    seed = int(torch.randint(2**31 - 1, (), generator=generator))
    fisher = _library().KFACLinearOperator(
        net,
        nn.BCEWithLogitsLoss(reduction="sum"),
        [p for _, part in linear for p in part.parameters()],
        [(x, torch.zeros(len(x), linear[-1][1].out_features, dtype=x.dtype))],
        check_deterministic=False,
        seed=seed,
        separate_weight_and_bias=False,
        num_data=len(x),
    )
    fisher.compute_kronecker_factors()
    a, b = fisher._input_covariances, fisher._gradient_covariances
    return [Factors(a[name], b[name] / len(x)) for name, _ in linear]  # of a sum over the batch


@cache
def _library() -> Any:
    """It scripts a function when it is imported, of which some versions of torch warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return import_module("curvlinops")


def natural_gradient(gradient: Tensor, factors: Factors, damping: float) -> Tensor:
    """The natural gradient (B + ..)^-1 G (A + ..)^-1 of a layer's gradient (outputs, inputs + 1)."""
    return _solve(*_damped_roots(factors, damping), gradient)


def _damped_roots(factors: Factors, damping: float) -> tuple[Tensor, Tensor]:
    """Cholesky factors of the damped A and B."""
    a, b = factors
    tiny = torch.finfo(a.dtype).tiny
    pi = ((a.trace() / len(a)).clamp(min=tiny) / (b.trace() / len(b)).clamp(min=tiny)).sqrt()
    root = damping**0.5
    roots = []
    for matrix, add in ((a, pi * root), (b, root / pi)):
        roots.append(torch.linalg.cholesky(matrix + add * torch.eye(len(matrix), dtype=matrix.dtype)))
    return roots[0], roots[1]


def _solve(a: Tensor, b: Tensor, gradient: Tensor) -> Tensor:
    return torch.cholesky_solve(torch.cholesky_solve(gradient, b).mT, a).mT


class KFAC:
    """Used like an optimizer of torch's; call `update_factors` with each batch before `step`."""

    def __init__(
        self,
        net: nn.Sequential,
        rate: float,
        generator: Generator,
        *,
        damping: float = 0.01,
        momentum: float = 0.9,
        factor_decay: float = 0.95,  # of the running means, per refresh
        refresh_every: int = 5,  # batches
        trust_region: float = 3e-3,
        factors: Callable[[nn.Sequential, Tensor, Generator], list[Factors]] = fisher_factors,
    ) -> None:
        self.find_factors = factors
        self.net, self.generator, self.layers = net, generator, [p for p in net if isinstance(p, nn.Linear)]
        self.damping, self.trust_region = damping, trust_region
        self.factor_decay, self.refresh_every, self.batches_seen = factor_decay, refresh_every, 0
        self.factors: list[Factors] = []
        self.roots: list[tuple[Tensor, Tensor]] = []
        self.velocities: list[Tensor] = []
        self.param_groups: list[dict[str, float]] = [{"lr": rate, "momentum": momentum}]

    def zero_grad(self) -> None:
        """Forget the last gradients."""
        self.net.zero_grad()

    def update_factors(self, x: Tensor) -> None:
        """Refresh the factors by a batch (batch, features), where it is time to."""
        if self.batches_seen % self.refresh_every == 0:
            fresh = self.find_factors(self.net, x, self.generator)
            keep = min(self.factor_decay, 1 - 1 / (self.batches_seen // self.refresh_every + 1))
            old = self.factors or fresh
            self.factors = [
                Factors(*(o.lerp(n, 1 - keep) for o, n in zip(was, now, strict=True)))
                for was, now in zip(old, fresh, strict=True)
            ]
            self.roots = [_damped_roots(f, self.damping) for f in self.factors]
        self.batches_seen += 1

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights, given their gradients."""
        (group,) = self.param_groups
        moves, decrease = [], 0.0
        for layer, roots in zip(self.layers, self.roots, strict=True):
            assert layer.weight.grad is not None and layer.bias.grad is not None
            gradient = torch.cat((layer.weight.grad, layer.bias.grad.unsqueeze(-1)), -1)
            moves.append(_solve(*roots, gradient))
            decrease += float((moves[-1] * gradient).sum())
        bound = min(1.0, (self.trust_region / (group["lr"] ** 2 * decrease + 1e-30)) ** 0.5)
        before = self.velocities or [torch.zeros_like(m) for m in moves]
        self.velocities = [v * group["momentum"] + m * bound for v, m in zip(before, moves, strict=True)]
        for layer, velocity in zip(self.layers, self.velocities, strict=True):
            layer.weight.sub_(velocity[:, :-1], alpha=group["lr"])
            layer.bias.sub_(velocity[:, -1], alpha=group["lr"])
