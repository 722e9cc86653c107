"""The settings that closed forms call best: learning rate, probe size, number of probes, nudge.

Notation as in `laws`: D coordinates, g gradient, H Hessian, K probes, s probe size, m standard deviation of
one loss reading.
"""

import math
import sys

from scipy.optimize import brentq
from torch import Tensor

from ..estimators.distributions import ProbeDistribution
from ..estimators.schemes import Scheme
from ..local.equilibrium import Nudging
from . import laws


def best_learning_rate(
    distribution: ProbeDistribution, probes: int, coordinates: int, curvature: float
) -> float:
    """The rate at which plain descent gains most per step where H = curvature * I; twice it gains nothing.

    Raises:
        ValueError: the distribution's coordinates are not independent of one another, or a step has no so
            many probes, or the curvature is not above 0.
    """
    distribution.require_directions(probes, coordinates)
    _require_above_zero("best_learning_rate", curvature=curvature)
    if distribution.kurtosis is None:
        raise ValueError(f"best_learning_rate: wants independent coordinates, not {distribution!r}")
    return 1 / (curvature * (1 + (coordinates - 2 + distribution.kurtosis) / probes))


def best_size(
    distribution: ProbeDistribution,
    scheme: Scheme,
    g: Tensor,  # (D,)
    *,
    probes: int,
    reading_noise: float,
    hessian: Tensor | None = None,
    third: Tensor | None = None,
) -> float:
    """The probe size of least mean squared error.

    One-sided differences and leave-one-out are bounded by curvature, s^4 = reading / curvature part;
    pairs by third derivatives (D, D, D): with Gaussian directions 2b x^3 + a x^2 = D m^2/(2K), x = s^2,
    a = (D + 3) g.t/K, b = (1 - 1/K)|t|^2/4 + (D + 6)(6|T|^2 + 9|t|^2)/(36K). In the notes that this
    project began from b lacks its second part, which rules unless K is far above D.

    Raises:
        ValueError: no closed form is known, or the derivatives that it needs are not given; or no size is the
            best, where nothing is noisy or where the loss does not bend.
    """
    _require_above_zero("best_size", reading_noise=reading_noise)
    if scheme.cancels_curvature:
        if third is None:
            raise ValueError("best_size: that of pairs follows from third derivatives; give `third`")
        laws.signal_covariance(distribution, scheme, g, probes)  # refuses what it has no law for
        a, b = distribution.pair_error(g, third, probes)
        _require_above_zero("best_size", third_derivatives=b)
        return _root(a, b, len(g) * reading_noise**2 / (2 * probes)) ** 0.5
    if hessian is None:
        raise ValueError("best_size: that of one-sided differences follows from a Hessian; give `hessian`")
    predicted = laws.along_directions(
        distribution, scheme, g, probes=probes, reading_noise=reading_noise, hessian=hessian
    )
    signal = laws.signal_covariance(distribution, scheme, g, probes)
    curved = float((predicted.perturbation - signal).trace())
    _require_above_zero("best_size", curvature_part=curved)
    return (float(predicted.reading.trace()) / curved) ** 0.25


def _root(a: float, b: float, c: float) -> float:
    """The x > 0 at which 2b x^3 + a x^2 = c."""
    high = max(-a / b, 0.0) + (c / b) ** (1 / 3)  # there b x^3 alone is c or more
    # the root may be of any scale, so that no tolerance but a relative one will do
    root: float = brentq(lambda x: 2 * b * x**3 + a * x**2 - c, 0.0, high, xtol=sys.float_info.min)
    return root


def size_from_curvature(scheme: Scheme, probes: int, noise: float, second: float) -> float:
    """The best size of one-sided differences, s^4 = 4 c K m^2 / E (v'Hv)^2, for directions of fixed length.

    Args:
        noise: m, of one loss reading.
        second: mean square of second differences (L(+sv) + L(-sv) - 2L)/s^2; around their mean for
            leave-one-out, which does not suffer from what all directions have in common.

    Raises:
        ValueError: one of them is not above 0, or the scheme wants more probes.
    """
    _require_above_zero("size_from_curvature", noise=noise, second=second)
    if isinstance(probes, bool) or not isinstance(probes, int) or probes < scheme.min_directions:
        raise ValueError(f"size_from_curvature: {probes!r} probes, {scheme!r} wants {scheme.min_directions}")
    return (4 * scheme.reading_noise(probes) * probes * noise**2 / second) ** 0.25


def size_from_third_derivative(noise: float, third: float) -> float:
    """The best size of pairs, s^6 = 9 m^2 / E T(v, v, v)^2, for a few directions of fixed length.

    Args:
        noise: m, of one loss reading.
        third: mean square of the third derivative along a direction.

    Raises:
        ValueError: one of them is not above 0.
    """
    _require_above_zero("size_from_third_derivative", noise=noise, third=third)
    return (9 * noise**2 / third) ** (1 / 6)


def best_probes(perturbation: float, others: float, reads: float = 1.0) -> float:
    """The K that descends most per read at the best learning rate: sqrt(perturbation / (others reads)).

    A step of K probes costs 1 + reads K vectors an example and gains 1 / (others + perturbation / K).

    Args:
        perturbation: variance of an estimate from one probe, reading noise and all.
        others: |g|^2 and the mini-batch's variance, what is left of E |ghat|^2 with endless probes.
        reads: per probe; 2 for pairs.

    Raises:
        ValueError: a variance is negative, or there is nothing beside the perturbation, or reads are free.
    """
    if not 0 <= perturbation < math.inf:
        raise ValueError(f"best_probes: perturbation is {perturbation}, wanted a finite variance")
    _require_above_zero("best_probes", others=others, reads=reads)
    return (perturbation / (others * reads)) ** 0.5


def best_nudge(reading: float, bias: float, nudging: Nudging) -> float:
    """The nudge of least mean squared error of equilibrium propagation.

    The error of a batch's estimate is reading / c^2 + (bias c^p)^2 with nudge c, p = 2 centered and 1
    one-sided, least at c^6 = reading / (2 bias^2) and at c^4 = reading / bias^2.

    Args:
        reading: the variance of the estimate from read noise at a nudge of 1, in all coordinates together.
        bias: the length of its bias at a nudge of 1.
        nudging: how outputs are nudged.

    Raises:
        ValueError: nothing is noisy, or the chip does not bend.
    """
    _require_above_zero("best_nudge", reading=reading, bias=bias)
    if nudging == "centered":
        return (reading / (2 * bias**2)) ** (1 / 6)
    return (reading / bias**2) ** 0.25


def _require_above_zero(question: str, **numbers: float) -> None:
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            raise ValueError(
                f"{question}: {name} is {number}, so nothing is the best; wanted above 0, finite"
            )
