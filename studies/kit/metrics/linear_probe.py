"""A linear read-out of what frozen chips show: logistic regression in a digital computer, nothing analog."""

from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy, normalize

from analog import Port
from learners import Batch
from learners.data import take


def representations(port: Port, x: Tensor, parts: Sequence[int]) -> Tensor:  # (*fleet, examples, features)
    """What every layer shows for images (examples, pixels), read once, each equal part scaled to length 1.

    Args:
        parts: into how many parts the outputs of each layer fall.
    """
    features = []
    for part in x.split(2500):  # fits in memory
        taps = zip(port.measure(part).taps, parts, strict=True)
        units = [normalize(tap.unflatten(-1, (count, -1)), dim=-1).flatten(-2) for tap, count in taps]
        features.append(torch.cat(units, -1))
    return torch.cat(features, -2)


def sample_per_class(pool: Batch, count: int, classes: int, generator: Generator) -> Batch:
    """So many examples of a pool, drawn by lot, as many of each class.

    Raises:
        ValueError: the count is no multiple of the classes, or a class has too few examples.
    """
    if count % classes or count < classes:
        raise ValueError(f"sample_per_class: wanted a multiple of {classes} classes, got {count} labels")
    each, indices = count // classes, []
    for label in range(classes):
        members = (pool.target == label).nonzero().squeeze(-1)
        if len(members) < each:
            raise ValueError(f"sample_per_class: class {label} has {len(members)} examples, wanted {each}")
        indices.append(members[torch.randperm(len(members), generator=generator)[:each]])
    return take(pool, torch.cat(indices))


def logistic(
    features: Tensor,  # (examples, features)
    labels: Tensor,  # (examples,), int64
    classes: int,
    penalty: float,
    rounds: int = 60,
) -> Callable[[Tensor], Tensor]:
    """A logistic regression fitted by L-BFGS, from features (examples, features) to classes (examples,).

    What it minimizes is the sum of cross-entropies plus penalty / 2 times the squared weights, for features
    less their mean and in units of their root mean square.

    Raises:
        ValueError: there are not as many features as labels.
    """
    if features.shape[:1] != labels.shape:
        raise ValueError(f"logistic: {len(features)} examples and {len(labels)} labels")
    mean, unit = features.mean(0), features.std(correction=0) + torch.finfo(features.dtype).tiny
    scaled = (features - mean) / unit
    weights = features.new_zeros(classes, features.shape[1] + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=rounds, line_search_fn="strong_wolfe")

    def loss() -> float:
        out = torch.addmm(weights[:, -1], scaled, weights[:, :-1].mT)
        objective = cross_entropy(out, labels) + penalty / 2 / len(labels) * weights[:, :-1].square().sum()
        (weights.grad,) = torch.autograd.grad(objective, weights)
        return float(objective.detach())

    with torch.enable_grad():
        optimizer.step(loss)
    fitted = weights.detach()

    def predict(other: Tensor) -> Tensor:
        return ((other - mean) / unit @ fitted[:, :-1].mT + fitted[:, -1]).argmax(-1)

    return predict
