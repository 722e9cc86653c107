"""What a law measures, and how it is judged: t-tests of effects against a tolerance, at several looks."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from scipy.special import stdtr, stdtrit
from torch import Tensor

Kind = Literal["size", "either", "above", "seen"]


class Effect(NamedTuple):
    """Independent measurements of one number that a law bounds.

    A "size" is measured by products of two independent measurements of a vector, whose mean is its squared
    length: noise adds nothing to it. "either" must not be beyond the tolerance on either side of 0, "above"
    not above it; "seen" is as "either", but what goes beyond may have a lawful cause and breaks nothing.
    """

    name: str
    values: Tensor  # (n,), float64; of a "size" its square
    kind: Kind
    tolerance: float
    symmetric: bool = False  # without an effect each value has either sign by the throw of a coin


class Judgement(NamedTuple):
    """An estimate of an effect with its 95 % interval."""

    name: str
    value: float
    low: float
    high: float
    tolerance: float
    broken: bool  # it is beyond the tolerance, at the error rate that was asked for
    held: bool  # all of the interval is within

    @property
    def excess(self) -> float:
        """How far the interval's outer end reaches, in tolerances."""
        return max(abs(self.low), abs(self.high)) / self.tolerance


def judge(effect: Effect, level: float) -> Judgement:
    """Judge an effect by its measurements.

    Of symmetric values the sum exceeds t times the root of the sum of their squares with probability
    2 exp(-t^2 / 2) at most, whatever their distribution (Hoeffding 1963,
    https://doi.org/10.1080/01621459.1963.10500830), so that rare and discrete noise raises no alarm.

    Args:
        level: probability with which an effect within the tolerance may be called broken.
    """
    n = len(effect.values)
    mean = float(effect.values.mean())
    error = float(effect.values.std()) / math.sqrt(n)
    wide = float(stdtrit(n - 1, 0.975)) * error
    sure = -float(stdtrit(n - 1, level)) * error
    tolerance = effect.tolerance
    if effect.kind == "size":
        bounds = (_root(mean), _root(mean - wide), _root(mean + wide))
        broken = mean - sure > tolerance**2
    elif effect.kind == "above":
        bounds, broken = (mean, mean - wide, mean + wide), mean - sure > tolerance
    else:
        bounds, broken = (mean, mean - wide, mean + wide), abs(mean) - sure > tolerance
    if effect.symmetric:
        fair = math.sqrt(2 * math.log(2 / level) * float(effect.values.square().sum()))
        broken = broken and abs(float(effect.values.sum())) > fair
    broken = broken and effect.kind != "seen"
    held = bounds[2] <= tolerance and (effect.kind in ("size", "above") or bounds[1] >= -tolerance)
    return Judgement(effect.name, *bounds, tolerance, broken, held)


def worst(judgements: Sequence[Judgement]) -> Judgement:
    """The judgement that decides: one that is broken before others, else the widest."""
    return max(judgements, key=lambda j: (j.broken, j.excess))


def squared_size(name: str, differences: Tensor, scale: float, tolerance: float) -> Effect:
    """The size of a mean vector, relative to a scale.

    Args:
        differences: independent measurements of the vector, (n, ...); n is even.
    """
    flat = differences.flatten(1) / scale
    return Effect(name, (flat[0::2] * flat[1::2]).mean(1), "size", tolerance)


def noise_of(readings: Tensor) -> Tensor:  # (n, ...) -> (n / 2, ...)
    """The noise of repeated readings: differences of consecutive ones, which slow drift does not reach."""
    return (readings[1::2] - readings[0::2]) / math.sqrt(2)


def is_noise(noise: Tensor, scale: float) -> bool:
    """Whether there is any noise, of any shape, beyond rounding."""
    return float(noise.square().mean()) > (1e-6 * scale) ** 2


def lags(
    name: str, noise: Tensor, lengths: Sequence[int], tolerance: float, kind: Kind = "either"
) -> list[Effect]:
    """Correlations of noise between neighbors on its second axis, and of its size.

    Noise is a difference of readings alike, and its size is compared with that of the next difference, so
    both are symmetric about 0; if neighbors are independent, so is every product of two of them.

    Args:
        noise: (n, along, ...), n even.
        lengths: how far neighbors are apart.
        kind: of the effects.
    """
    noise = noise.flatten(2)
    sizes = noise[0::2].square() - noise[1::2].square()
    effects = []
    for what, series, allowed in (
        ("noise", noise, tolerance),
        ("size of the noise", sizes, 2 * tolerance),
    ):
        variance = float(series.square().mean())
        if not variance:  # noise of one size
            continue
        for lag in lengths:
            products = (series[:, lag:] * series[:, :-lag]).mean(2).flatten() / variance
            effects.append(Effect(f"{name}, {what} {lag} apart", products, kind, allowed, symmetric=True))
    return effects


def variances(name: str, noise: Tensor, other: Tensor, tolerance: float) -> Effect:
    """The relative difference of two variances of noise, (a - b) / (a + b).

    Args:
        noise: (n, ...)
        other: (n, ...)
    """
    a, b = (each.flatten(1).square().mean(1) for each in (noise, other))
    total = a + b
    ratio = torch.where(total > 0, (a - b) / total.where(total > 0, torch.ones_like(total)), 0 * total)
    return Effect(name, ratio, "either", tolerance)


def tail(t: Tensor, freedom: Tensor) -> Tensor:
    """Two-sided probabilities of Student's t, of the same shape."""
    return 2 * torch.as_tensor(stdtr(freedom.numpy(), -t.abs().numpy()))


def _root(square: float) -> float:
    return math.sqrt(max(square, 0.0))
