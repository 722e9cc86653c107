"""What is known of a device's parameters before they are measured: the range that stands beside each.

Within a range of two finite ends a parameter is as likely anywhere. Where an end is infinite nothing is as
likely everywhere, and the device to start from says where: its logarithm is as likely anywhere within
`factor` of the device's own value, either way; a value of either sign without a range, within its own size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from ..settings import settings
from .scales import SearchScale, estimated_by_default, search_scale

FACTOR = 4.0
_TRIES = 1000  # of drawing a device that accepts its parameters
_QUANTILES = 256  # over which moments of a prior are taken


@dataclass(frozen=True)
class Prior:
    """The distribution of one parameter before it is measured: uniform, or uniform in its logarithm."""

    low: float
    high: float
    logarithmic: bool

    def quantile(self, probability: float) -> float:
        """The value below which the parameter lies with a probability."""
        if not self.logarithmic:
            return self.low + (self.high - self.low) * probability
        return self.low * (self.high / self.low) ** probability


class GaussianPrior(NamedTuple):
    """The means and standard deviations of priors in search coordinates, and what devices may have at all."""

    mean: Tensor  # (parameters,)
    sd: Tensor  # (parameters,)
    low: Tensor  # (parameters,), the range of the device, in search coordinates
    high: Tensor  # (parameters,)


def prior(device: Any, name: str, factor: float = FACTOR) -> Prior:
    """The prior of one parameter of a device.

    Args:
        device: its own value is the middle where its range has no end.
        name: of the parameter.
        factor: how far from that middle the parameter may be.

    Raises:
        ValueError: the parameter is 0 and may not be negative, so that no factor leads away from it.
    """
    value, known = getattr(device, name), settings(type(device))[name]
    low, high = known.range or (-math.inf, math.inf)
    if math.isfinite(low) and math.isfinite(high):
        return Prior(low, high, False)
    sign = search_scale(device, name).sign
    if sign:
        ends = sorted((value / factor, value * factor))
        return Prior(max(ends[0], low), min(ends[1], high), True)
    size = max(1.0, abs(value))
    return Prior(max(value - size, low), min(value + size, high), False)


def draw_device(device: Any, generator: Generator, factor: float = FACTOR) -> Any:
    """Draw a device whose parameters lie anywhere in their priors; those that no device has are drawn again.

    Args:
        device: the middle of priors without an end; what calibration does not estimate stays as it is here.
        generator: of the draw.
        factor: of the priors.

    Raises:
        ValueError: the device accepts none of a thousand draws.
    """
    priors = {name: prior(device, name, factor) for name in estimated_by_default(device)}
    for _ in range(_TRIES):
        shares = torch.rand(len(priors), generator=generator, dtype=torch.float64).tolist()
        values = {n: p.quantile(u) for (n, p), u in zip(priors.items(), shares, strict=True)}
        try:
            return replace(device, **values)
        except ValueError as error:
            refused = error
    kind = type(device).__name__
    raise ValueError(f"{kind}: refused {_TRIES} draws of its parameters; the last: {refused}")


def gaussian_prior(device: Any, scales: Sequence[SearchScale], factor: float = FACTOR) -> GaussianPrior:
    """The Gaussian in search coordinates with the moments of the priors.

    Args:
        device: the middle of priors without an end.
        scales: of the parameters.
        factor: of the priors.
    """
    probabilities = [(k + 0.5) / _QUANTILES for k in range(_QUANTILES)]
    known, columns, ends = settings(type(device)), [], []
    for scale in scales:
        one = prior(device, scale.name, factor)
        columns.append([scale.coordinate(one.quantile(p)) for p in probabilities])
        ends.append(_ends(scale, known[scale.name].range))
    coordinates = torch.tensor(columns, dtype=torch.float64)
    low, high = torch.tensor(ends, dtype=torch.float64).unbind(1)
    return GaussianPrior(coordinates.mean(1), coordinates.std(1), low, high)


def _ends(scale: SearchScale, within: tuple[float, float] | None) -> tuple[float, float]:
    """The range in search coordinates; minus infinity where a logarithm ends."""
    low, high = within or (-math.inf, math.inf)
    if not scale.sign:
        return low, high
    near, far = sorted((abs(low), abs(high)))
    if low * high < 0:  # the device takes one sign only, whatever its range says
        near = 0.0
    return (math.log(near) if near else -math.inf), (math.log(far) if math.isfinite(far) else math.inf)
