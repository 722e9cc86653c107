"""Standardization: each channel of what drives a layer comes to mean 0 and variance 1 over many examples.

Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
shift" (2015), https://arxiv.org/abs/1502.03167: over the batch while a chip learns, and afterwards by
statistics of many training examples, so that no example depends on who stands beside it. Where we differ:
nothing in it is learnt, and the statistics are measured on the chip as it is then, all at once and not as a
running mean (Wu and Johnson, "Rethinking 'batch' in BatchNorm" (2021), https://arxiv.org/abs/2105.07576).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import NamedTuple

import torch
from torch import Tensor

from analog.port import Port

from .layer_by_layer import with_interlayers


class Statistics(NamedTuple):
    """The mean and the variance of each channel of a tap."""

    mean: Tensor  # (*fleet, channels)
    variance: Tensor  # (*fleet, channels)


@dataclass(frozen=True)
class Standardized:
    """A preparation that brings every channel to mean 0 and variance 1, over the batch and all sites.

    Args:
        channels: how many there are.
        planes_first: whether features are ordered channel by channel, or site by site.
        epsilon: added to the variance.

    Raises:
        ValueError: there is no channel.
    """

    channels: int
    planes_first: bool = False
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"Standardized: channels is {self.channels}, wanted at least 1")

    def features_in(self, features: int) -> int:
        """The same number.

        Raises:
            ValueError: the channels do not divide it.
        """
        if features % self.channels:
            raise ValueError(f"Standardized: {self.channels} channels do not divide {features} features")
        return features

    def __call__(self, x: Tensor) -> Tensor:
        """The standardized activity, (..., batch, features), of this batch."""
        out, _, _ = self._normalize(self._rows(x))
        return self._flat(out, x.shape)

    def pull_back(self, x: Tensor, gradient: Tensor) -> Tensor:
        """The gradient at x, (..., batch, features), through mean and variance too."""
        rows = self._rows(x)
        _, mean, scale = self._normalize(rows)
        wanted, none = [True, False, False], None
        found, _, _ = torch.ops.aten.native_batch_norm_backward(
            self._rows(gradient), rows, none, none, none, mean, scale, True, self.epsilon, wanted
        )
        return self._flat(found, x.shape)

    def lift(self, change: Tensor) -> Tensor:
        """Refuse any change (..., batch, features): what it makes depends on what came in.

        Raises:
            ValueError: always.
        """
        raise ValueError("Standardized: no change of what comes in changes what comes out as told")

    def measure(self, x: Tensor) -> Statistics:
        """Measure the statistics of activity (..., batch, features), over the batch and all sites."""
        _, mean, scale = self._normalize(self._rows(x))
        shape = (*x.shape[:-2], self.channels)
        return Statistics(mean.view(shape), (scale.square().reciprocal() - self.epsilon).view(shape))

    def apply(self, x: Tensor, statistics: Statistics) -> Tensor:
        """Standardize activity (..., batch, features) by statistics that were measured before."""
        scale = (statistics.variance + self.epsilon).rsqrt()
        shape, axis = ((self.channels, -1), -1) if self.planes_first else ((-1, self.channels), -2)
        scale, shift = (each.unsqueeze(axis).unsqueeze(-3) for each in (scale, -statistics.mean * scale))
        return torch.addcmul(shift, x.unflatten(-1, shape), scale).flatten(-2)

    def _rows(self, x: Tensor) -> Tensor:
        """(*lead, batch, features) -> (batch * sites, lead * channels)"""
        count = prod(x.shape[:-2])
        if self.planes_first:
            x = x.unflatten(-1, (self.channels, -1)).mT
        rows = x.reshape(count, -1, self.channels)
        return rows.transpose(0, 1).flatten(1)

    def _flat(self, rows: Tensor, shape: torch.Size) -> Tensor:
        """The inverse of `_rows`."""
        each = rows.unflatten(1, (-1, self.channels)).transpose(0, 1)
        if self.planes_first:
            return each.reshape(*shape[:-1], -1, self.channels).mT.reshape(shape)
        return each.reshape(shape)

    def _normalize(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Each column at mean 0 and variance 1, and what its mean and one over its spread were."""
        return torch.native_batch_norm(rows, None, None, None, None, True, 0.0, self.epsilon)


def with_standardization(
    port: Port, layers: Sequence[Standardized], statistics: Sequence[Statistics]
) -> Port:
    """The same wires with what drives every layer but the first standardized by known statistics.

    Args:
        layers: how each tap but the last is standardized.
        statistics: of each of these, as `measure_statistics` gives them.
    """
    pairs = zip(layers, statistics, strict=True)
    return with_interlayers(port, [partial(layer.apply, statistics=known) for layer, known in pairs])


def measure_statistics(port: Port, layers: Sequence[Standardized], x: Tensor) -> tuple[Statistics, ...]:
    """Measure the statistics of each tap but the last, every layer driven as these standardize it.

    Args:
        port: the chip's own wires.
        layers: how each tap but the last is standardized.
        x: (examples, features_in), of the training examples; some thousand are enough.
    """
    found: list[Statistics] = []
    for at, layer in enumerate(layers):
        tap = port.measure(x, first=at, last=at).out
        found.append(layer.measure(tap))
        x = layer.apply(tap, found[-1])
    return tuple(found)
