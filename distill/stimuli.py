"""What a teacher is asked about: real stimuli, a few of them, made-up ones, or those that students need most.

Pools are tensors (stimuli, pixels) or batches with labels; every draw takes its generator as an argument.
"""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from math import isqrt
from typing import Any

import torch
from torch import Generator
from torch import Tensor
from torch.nn.functional import interpolate

from analog.port import Port
from learners.data.batches import kept
from learners.learner import Batch

Score = Callable[
    [Tensor, Any], Tensor
]  # (outputs (*fleet, candidates, classes), target) -> (*fleet, candidates)


def some(pool: Batch, count: int, generator: Generator) -> Batch:
    """So many different stimuli of a pool, drawn by lot."""
    if not 0 < count <= len(pool.x):
        raise ValueError(f"some: asked for {count} of a pool of {len(pool.x)}")
    return kept(pool, torch.randperm(len(pool.x), generator=generator)[:count])


def without(pool: Batch, classes: Sequence[int]) -> Batch:
    """A labelled pool in which some classes do not come."""
    left = ~torch.isin(pool.target, torch.tensor(list(classes), dtype=pool.target.dtype))
    if not left.any():
        raise ValueError(f"without: nothing is left of the pool without classes {list(classes)}")
    return kept(pool, left.nonzero().squeeze(-1))


def noise(like: Tensor, count: int, generator: Generator) -> Tensor:  # (count, pixels)
    """Normal noise, independent from pixel to pixel, with each pixel's mean and spread over a pool.

    It is clipped to the pool's range, so that what comes out has a little less spread.
    """
    drawn = torch.randn(count, like.shape[-1], generator=generator, dtype=like.dtype)
    return (like.mean(0) + like.std(0, correction=0) * drawn).clamp(like.min(), like.max())


def mixtures(pool: Tensor, count: int, generator: Generator) -> Tensor:  # (count, pixels)
    """Two different stimuli of a pool laid over each other, in shares uniform between 0 and 1."""
    if len(pool) < 2:
        raise ValueError(f"mixtures: wanted at least 2 stimuli to mix, got {len(pool)}")
    first = torch.randint(len(pool), (count,), generator=generator)
    other = (first + torch.randint(1, len(pool), (count,), generator=generator)) % len(pool)
    share = torch.rand(count, 1, generator=generator, dtype=pool.dtype)
    return torch.lerp(pool[first], pool[other], share)


def resampled(pool: Tensor, pixels: int) -> Tensor:  # (stimuli, pixels)
    """Square images brought to another square size: each new pixel is the mean of the area it covers."""
    old, new = isqrt(pool.shape[-1]), isqrt(pixels)
    if (old * old, new * new) != (pool.shape[-1], pixels):
        raise ValueError(f"resampled: wanted square images, got {pool.shape[-1]} to {pixels} pixels")
    return interpolate(pool.reshape(-1, 1, old, old), size=(new, new), mode="area").reshape(-1, pixels)


def chosen(stimuli: Iterable[Batch], student: Port, keep: int, score: Score) -> Iterator[Batch]:
    """Of each batch of candidates the `keep` on which students, asked now, score highest; the rest goes.

    A fleet chooses together, by its mean score. The student is read once for every candidate, and whoever
    meters its wires is charged. Candidates may be lessons, already answered by a teacher: those kept keep
    their answers.
    """
    for batch in stimuli:
        if not 0 < keep <= len(batch.x):
            raise ValueError(f"chosen: asked to keep {keep} of {len(batch.x)} candidates")
        scored = score(student.measure(batch.x).out, batch.target)
        best = scored.reshape(-1, len(batch.x)).mean(0).topk(keep).indices
        yield kept(batch, best)


def doubt(out: Tensor, target: Any) -> Tensor:  # (*fleet, candidates), nats
    """How unsure each student is: the entropy of its probabilities."""
    del target  # no teacher is asked
    return _entropy(out.softmax(-1))


def dispute(out: Tensor, target: Any) -> Tensor:  # (candidates,), nats
    """How far a fleet's students differ: the entropy of their mean probabilities less their mean entropy."""
    del target  # no teacher is asked
    if out.ndim != 3:
        raise ValueError(
            f"dispute: wanted a fleet's outputs (chips, candidates, classes), got {tuple(out.shape)}"
        )
    p = out.softmax(-1)
    return _entropy(p.mean(0)) - _entropy(p).mean(0)


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)
