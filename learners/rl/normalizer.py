"""Digital wiring in front of a policy: observations are centered and scaled by what was seen so far.

Running moments by Welford, Technometrics 4, 419 (1962, https://doi.org/10.1080/00401706.1962.10490022); whole
rollouts are merged pairwise as in Chan, Golub and LeVeque, American Statistician 37, 242 (1983,
https://doi.org/10.1080/00031305.1983.10483115).
"""

from typing import NamedTuple

import torch
from torch import Tensor

from analog.spec import Spec

CLIP = 5.0  # standard deviations beyond which an input is held back


class ObservationNormalizer(NamedTuple):
    """The mean and variance of what each chip has observed, feature by feature; in double precision."""

    samples: Tensor  # (*fleet, 1)
    mean: Tensor  # (*fleet, features)
    square: Tensor  # (*fleet, features), sum of squared deviations from the mean

    @classmethod
    def empty(cls, spec: Spec) -> "ObservationNormalizer":
        """A normalizer before the first observation; it changes nothing."""
        none = torch.zeros(*spec.fleet, spec.layers[0].features_in, dtype=torch.float64, device=spec.on)
        return cls(none[..., :1], none, none)

    @classmethod
    def of(cls, observations: Tensor, counted: Tensor, fleet: int) -> "ObservationNormalizer":
        """The normalizer of one stretch of observations.

        Args:
            observations: (*any, *fleet, batch, features).
            counted: (*any, *fleet, batch), True where an observation counts.
            fleet: how many axes the fleet has, 0 or 1.
        """
        wide, mask = observations.double(), counted.unsqueeze(-1).double()
        extra = (*range(wide.ndim - 2 - fleet), wide.ndim - 2)
        count = mask.sum(extra)
        mean = (wide * mask).sum(extra) / count.clamp(min=1)
        gap = (wide - mean.unsqueeze(-2)) * mask
        return cls(count, mean, gap.square().sum(extra))

    def merge(self, other: "ObservationNormalizer") -> "ObservationNormalizer":
        """The normalizer of both stretches together, exactly."""
        count = self.samples + other.samples
        share, gap = other.samples / count.clamp(min=1), other.mean - self.mean
        square = self.square + other.square + gap.square() * self.samples * share
        return ObservationNormalizer(count, self.mean + gap * share, square)

    def normalize(self, observations: Tensor) -> Tensor:  # (..., *fleet, batch, features) -> the same
        """Observations centered and scaled to unit variance, held within `CLIP` standard deviations."""
        known = self.samples > 1
        variance = self.square / self.samples.clamp(min=1)
        blank = torch.ones_like(variance)
        spread = torch.where(known & (variance > 0), variance, blank).sqrt()
        centered = (observations - self.mean.unsqueeze(-2)) / spread.unsqueeze(-2)
        return centered.clamp(-CLIP, CLIP).to(observations.dtype)
