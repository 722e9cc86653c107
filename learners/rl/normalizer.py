"""Digital wiring in front of a chip that acts: observations are centred and scaled by what was seen so far.

Running moments by Welford (1962), whole plays at a time merged after Chan, Golub and LeVeque (1979).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Spec

FAR = 5.0  # standard deviations beyond which an input is held back


class Senses(NamedTuple):
    """What each chip has seen, feature by feature; in double precision."""

    samples: Tensor  # (*fleet, 1)
    mean: Tensor  # (*fleet, features)
    square: Tensor  # (*fleet, features), sum of squared deviations from the mean


def unseen(spec: Spec) -> Senses:
    """Before the first observation."""
    none = torch.zeros(*spec.fleet, spec.layers[0].features_in, dtype=torch.float64, device=spec.on)
    return Senses(none[..., :1], none, none)


def moments(seen: Tensor, kept: Tensor, fleet: int) -> Senses:
    """The moments of one stretch of observations.

    Args:
        seen: (*any, *fleet, batch, features).
        kept: (*any, *fleet, batch), True where an observation counts.
        fleet: how many axes the fleet has, 0 or 1.
    """
    wide, mask = seen.double(), kept.unsqueeze(-1).double()
    extra = (*range(wide.ndim - 2 - fleet), wide.ndim - 2)
    count = mask.sum(extra)
    mean = (wide * mask).sum(extra) / count.clamp(min=1)
    gap = (wide - mean.unsqueeze(-2)) * mask
    return Senses(count, mean, gap.square().sum(extra))


def merged(a: Senses, b: Senses) -> Senses:
    """The moments of both stretches together, exactly."""
    count = a.samples + b.samples
    share, gap = b.samples / count.clamp(min=1), b.mean - a.mean
    return Senses(count, a.mean + gap * share, a.square + b.square + gap.square() * a.samples * share)


def normalised(senses: Senses, seen: Tensor) -> Tensor:  # (..., *fleet, batch, features), likewise
    """Centred and scaled to unit variance, held within FAR; as it came before anything was seen."""
    known = senses.samples > 1
    variance = senses.square / senses.samples.clamp(min=1)
    blank = torch.ones_like(variance)
    spread = torch.where(known & (variance > 0), variance, blank).sqrt()
    centred = (seen - senses.mean.unsqueeze(-2)) / spread.unsqueeze(-2)
    return centred.clamp(-FAR, FAR).to(seen.dtype)
