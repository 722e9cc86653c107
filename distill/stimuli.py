"""Stimuli that a teacher is asked about: real ones, a few of them, made-up ones, or those that students need.

Pools are tensors (stimuli, pixels) or batches with labels; every draw takes its generator as an argument.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isqrt
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import interpolate

from analog.port import Port
from learners.data import take
from learners.learner import Batch

Score = Callable[
    [Tensor, Any], Tensor
]  # (outputs (*fleet, candidates, classes), target) -> (*fleet, candidates)


def subsample(pool: Batch, count: int, generator: Generator) -> Batch:
    """Draw so many different stimuli of a pool, each as likely; with the same generator, the first of more.

    Raises:
        ValueError: if the pool has fewer.
    """
    if not 0 < count <= len(pool.x):
        raise ValueError(f"subsample: asked for {count} of a pool of {len(pool.x)}")
    return take(pool, torch.randperm(len(pool.x), generator=generator)[:count])


def drop_classes(pool: Batch, classes: Sequence[int]) -> Batch:
    """Drop the examples of some classes from a labeled pool.

    Raises:
        ValueError: if nothing is left.
    """
    others = ~torch.isin(pool.target, torch.tensor(list(classes), dtype=pool.target.dtype))
    if not others.any():
        raise ValueError(f"drop_classes: nothing is left of the pool without classes {list(classes)}")
    return take(pool, others.nonzero().squeeze(-1))


def gaussian_noise(like: Tensor, count: int, generator: Generator) -> Tensor:  # (count, pixels)
    """Draw normal noise, independent from pixel to pixel, with each pixel's mean and spread over a pool.

    It is clipped to the pool's range, so that what comes out has a little less spread.

    Args:
        like: (stimuli, pixels), the pool.
        count: of the stimuli that are drawn.
    """
    normal = torch.randn(count, like.shape[-1], generator=generator, dtype=like.dtype)
    return (like.mean(0) + like.std(0, correction=0) * normal).clamp(like.min(), like.max())


def mixup(pool: Tensor, count: int, generator: Generator) -> Tensor:  # (count, pixels)
    """Mix two different stimuli of a pool (stimuli, pixels), in shares uniform between 0 and 1.

    Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: beyond empirical risk minimization" (2018,
    https://arxiv.org/abs/1710.09412), at alpha = 1. Where we differ: a teacher answers the mixture, so that
    labels are not mixed; and the two stimuli are never the same one.

    Raises:
        ValueError: if the pool has fewer than two stimuli.
    """
    if len(pool) < 2:
        raise ValueError(f"mixup: wanted at least 2 stimuli to mix, got {len(pool)}")
    first = torch.randint(len(pool), (count,), generator=generator)
    other = (first + torch.randint(1, len(pool), (count,), generator=generator)) % len(pool)
    share = torch.rand(count, 1, generator=generator, dtype=pool.dtype)
    return torch.lerp(pool[first], pool[other], share)


def resize(pool: Tensor, pixels: int) -> Tensor:  # (stimuli, pixels)
    """Resize square images (stimuli, old pixels): each new pixel is the mean of the area that it covers.

    Raises:
        ValueError: if the old or the new images are not square.
    """
    old, new = isqrt(pool.shape[-1]), isqrt(pixels)
    if (old * old, new * new) != (pool.shape[-1], pixels):
        raise ValueError(f"resize: wanted square images, got {pool.shape[-1]} to {pixels} pixels")
    return interpolate(pool.reshape(-1, 1, old, old), size=(new, new), mode="area").reshape(-1, pixels)


def select_top(stimuli: Iterable[Batch], student: Port, count: int, score: Score) -> Iterator[Batch]:
    """Select, of each batch of candidates, the `count` on which students, asked now, score highest.

    A fleet selects together, by its mean score. The student is read once for every candidate, and whoever
    meters its wires is charged. Candidates may be lessons, already answered by a teacher: they keep their
    answers.

    Args:
        stimuli: batches of candidates (candidates, features).
        student: asked anew for every batch, when the batch is wanted.
        count: of the stimuli that are left of each batch.
        score: `bald`, `predictive_entropy`, or a loss, for candidates that are lessons.

    Raises:
        ValueError: if a batch has fewer candidates.
    """
    for batch in stimuli:
        if not 0 < count <= len(batch.x):
            raise ValueError(f"select_top: asked to keep {count} of {len(batch.x)} candidates")
        scores = score(student.measure(batch.x).out, batch.target)
        best = scores.reshape(-1, len(batch.x)).mean(0).topk(count).indices
        yield take(batch, best)


def predictive_entropy(out: Tensor, target: Any) -> Tensor:  # (*fleet, candidates), nats
    """The entropy of each student's probabilities: how unsure it is (uncertainty sampling).

    Args:
        out: (*fleet, candidates, classes), logits.
        target: unused; no teacher is asked.
    """
    del target  # no teacher is asked
    return _entropy(out.softmax(-1))


def bald(out: Tensor, target: Any) -> Tensor:  # (candidates,), nats
    """The disagreement of a fleet's students: the entropy of their mean less their mean entropy.

    Houlsby, Huszar, Ghahramani and Lengyel, "Bayesian active learning for classification and preference
    learning" (2011, https://arxiv.org/abs/1112.5745), eq. 2. Where we differ: the students of a fleet stand
    for draws from a posterior.

    Args:
        out: (chips, candidates, classes), logits.
        target: unused; no teacher is asked.

    Raises:
        ValueError: if the outputs are not those of a fleet with one axis.
    """
    del target  # no teacher is asked
    if out.ndim != 3:
        raise ValueError(
            f"bald: wanted a fleet's outputs (chips, candidates, classes), got {tuple(out.shape)}"
        )
    p = out.softmax(-1)
    return _entropy(p.mean(0)) - _entropy(p).mean(0)


def _entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)
