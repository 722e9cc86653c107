"""A linear read-out of what frozen chips show: logistic regression in a digital computer, nothing analog."""

from collections.abc import Callable
from collections.abc import Sequence

import torch
from torch import Generator
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.functional import normalize

from analog import Port
from learners import Batch
from learners.data import take


def represented(port: Port, x: Tensor, parts: Sequence[int]) -> Tensor:  # (*fleet, examples, features)
    """What every layer shows, read once, each of its so many equal parts scaled to length 1."""
    read = []
    for piece in x.split(2500):  # fits in memory
        taps = zip(port.measure(piece).taps, parts, strict=True)
        read.append(torch.cat([normalize(t.unflatten(-1, (p, -1)), dim=-1).flatten(-2) for t, p in taps], -1))
    return torch.cat(read, -2)


def labelled(pool: Batch, count: int, classes: int, generator: Generator) -> Batch:
    """So many examples of a pool, drawn by lot, as many of each class."""
    if count % classes or count < classes:
        raise ValueError(f"labelled: wanted a multiple of {classes} classes, got {count} labels")
    chosen = []
    for kind in range(classes):
        there = (pool.target == kind).nonzero().squeeze(-1)
        if len(there) < count // classes:
            raise ValueError(f"labelled: class {kind} has {len(there)} examples, wanted {count // classes}")
        chosen.append(there[torch.randperm(len(there), generator=generator)[: count // classes]])
    return take(pool, torch.cat(chosen))


def logistic(
    features: Tensor,  # (examples, features)
    labels: Tensor,  # (examples,), int64
    classes: int,
    penalty: float,
    rounds: int = 60,
) -> Callable[[Tensor], Tensor]:
    """Fit by L-BFGS; gives the classes of other features.

    Made small is the sum of cross-entropies plus penalty / 2 times the squared weights, for features less
    their mean and in units of their root mean square.
    """
    if features.shape[:1] != labels.shape:
        raise ValueError(f"logistic: {len(features)} examples and {len(labels)} labels")
    middle, unit = features.mean(0), features.std(correction=0) + torch.finfo(features.dtype).tiny
    scaled = (features - middle) / unit
    weights = features.new_zeros(classes, features.shape[1] + 1, requires_grad=True)
    search = torch.optim.LBFGS([weights], max_iter=rounds, line_search_fn="strong_wolfe")

    def loss() -> float:
        out = torch.addmm(weights[:, -1], scaled, weights[:, :-1].mT)
        whole = cross_entropy(out, labels) + penalty / 2 / len(labels) * weights[:, :-1].square().sum()
        (weights.grad,) = torch.autograd.grad(whole, weights)
        return float(whole.detach())

    with torch.enable_grad():
        search.step(loss)
    fixed = weights.detach()

    def named(other: Tensor) -> Tensor:
        return ((other - middle) / unit @ fixed[:, :-1].mT + fixed[:, -1]).argmax(-1)

    return named
