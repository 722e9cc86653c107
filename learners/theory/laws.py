"""Closed forms: the mean and covariance of every estimator, to be known before anything is measured.

What a probe distribution's directions vary by stands in `estimators.distributions`; here is what follows.

Notation: D coordinates, g gradient, H Hessian, K probes, s probe size, m standard deviation of one
loss reading, N batch. Re-derived for this project; each is tested by enumeration (tests/learners).

What the derivation corrected in the notes that this project began from:
- the leave-one-out signal law replaces the plain one instead of adding to it, and in a quadratic loss
  its (tr H)^2 term cancels: it does not suffer from curvature as one-sided differences do. For orthogonal
  sets it has the total variance of one direction less, but not its covariance (unless Haar);
- one-sided curvature variance is per probe: K directions divide it by K;
- a baseline of B averaged readings shared by all directions costs (1 + 1/B), whatever K is;
- Hadamard rows with signs on the columns only are biased under leave-one-out (ours have row signs);
- a padded Hadamard set of order D' > D is not exact at K = D.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..estimators.base import ProbingEstimator
from ..estimators.distributions import ProbeDistribution
from ..estimators.quadratic_moments import require_symmetric
from ..estimators.schemes import Scheme


@dataclass(frozen=True)
class Prediction:
    """The predicted mean of a gradient estimate, and its covariance in three independent parts."""

    mean: Tensor  # (D,)
    perturbation: Tensor  # (D, D), from the choice of directions
    reading: Tensor  # (D, D), from noise of the loss readings
    minibatch: Tensor  # (D, D), from the choice of examples

    @property
    def covariance(self) -> Tensor:  # (D, D)
        return self.perturbation + self.reading + self.minibatch

    @property
    def variance(self) -> float:
        """Total variance, E |ghat - E ghat|^2."""
        return float(self.covariance.trace())


def along_directions(
    distribution: ProbeDistribution,
    scheme: Scheme,
    g: Tensor,  # (D,), or of a body for distributions that ask for its shape; the prediction is flat
    *,
    probes: int,
    size: float = 1.0,
    reading_noise: float = 0.0,  # m
    hessian: Tensor | None = None,  # (D, D), of a quadratic loss; its curvature adds no bias
) -> Prediction:
    """Predict an estimate from `probes` directions of one loss with gradient g.

    Raises:
        ValueError: no closed form is known for this distribution and scheme, or with curvature; a step has
            no so many probes; or a size, a noise or a derivative is none.
    """
    _require_setting(size, reading_noise)
    if hessian is not None:
        if tuple(hessian.shape) != (g.numel(), g.numel()):
            raise ValueError(f"laws: the Hessian is {tuple(hessian.shape)} for {g.numel()} coordinates")
        require_symmetric("laws: the Hessian", hessian)
    eye = torch.eye(g.numel(), dtype=g.dtype, device=g.device)
    signal = signal_covariance(distribution, scheme, g, probes)
    if hessian is not None and not scheme.cancels_curvature:
        compared = scheme.compares_directions
        curvature = distribution.leave_one_out_curvature if compared else distribution.curvature
        signal = signal + curvature(hessian, probes) * size**2 / 4
    reading = scheme.reading_noise(probes) * reading_noise**2 / size**2 * eye
    return Prediction(g.flatten(), signal, reading, torch.zeros_like(eye))


def signal_covariance(distribution: ProbeDistribution, scheme: Scheme, g: Tensor, probes: int) -> Tensor:
    """The covariance (D, D) from the choice of directions, for a linear loss with gradient g.

    Raises:
        ValueError: no closed form is known for this distribution and scheme, a step has no so many probes, or
            the gradient is empty or not of finite floating-point numbers.
    """
    _require_derivatives("gradient", g)
    distribution.require_directions(probes, g.numel())
    if probes < scheme.min_directions:
        raise ValueError(f"laws: {scheme!r} wants at least {scheme.min_directions} probes, got {probes}")
    if scheme.compares_directions:
        return distribution.leave_one_out_covariance(g, probes)
    return distribution.covariance(g, probes)


def weights(
    estimator: ProbingEstimator, gradients: Tensor, batch: int, reading_noise: float = 0.0
) -> Prediction:
    """Predict weight perturbation of a batch drawn with replacement from examples with these gradients.

    Args:
        estimator: says how it probes; all examples share its directions.
        gradients: (examples, D), each example's gradient at the knobs, of a loss that is linear at the
            probe size.
        batch: how many examples are drawn.
        reading_noise: m, of one example's loss, which is averaged over the batch.

    Raises:
        ValueError: no closed form is known for its distribution and scheme, or there is no example, no batch.
    """
    _require_derivatives("gradients", gradients, axes=2)
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise ValueError(f"laws: batch is {batch!r}, wanted an integer of at least 1")
    mean = gradients.mean(0)
    around_mean = gradients - mean
    scatter = around_mean.T @ around_mean / len(gradients) / batch
    distribution, scheme, probes = estimator.distribution, estimator.scheme, estimator.probes
    noise = reading_noise / batch**0.5
    at_mean = along_directions(
        distribution, scheme, mean, probes=probes, size=estimator.size, reading_noise=noise
    )
    # the direction's spread is quadratic in g, so its mean over batches is that of the mean gradient plus
    # that of the batch's scatter, taken along the scatter's own axes
    values, axes = torch.linalg.eigh(scatter)
    around = sum(
        (
            signal_covariance(distribution, scheme, axis * value.clamp(min=0).sqrt(), probes)
            for value, axis in zip(values, axes.T, strict=True)
        ),
        torch.zeros_like(scatter),
    )
    return Prediction(mean, at_mean.perturbation + around, at_mean.reading, scatter)


def flipout(distribution: ProbeDistribution, gradients: Tensor, *, probes: int) -> Prediction:
    """Predict flipout of a given batch of one tile, whose examples have these gradients (N, D) at the knobs.

    Cov = [sum_n cov(g_n) + (k - 1) diag(sum over n != m of g_n o g_m)] / (N^2 K), cov(g) that of a single
    direction: with signs (k = 1) examples are as good as independent.

    Raises:
        ValueError: the distribution's coordinates are not independent of one another, or there is no example.
    """
    _require_derivatives("gradients", gradients, axes=2)
    count, coordinates = gradients.shape
    distribution.require_directions(probes, coordinates)
    if distribution.kurtosis is None:
        raise ValueError(f"laws: flipout has a closed form for independent coordinates, not {distribution!r}")
    total = gradients.sum(0)
    alone = sum(
        (distribution.covariance(g, 1) for g in gradients), torch.zeros(coordinates, coordinates).to(total)
    )
    shared = torch.diag(total.square() - gradients.square().sum(0)) * (distribution.kurtosis - 1)
    signal = (alone + shared) / (count**2 * probes)
    return Prediction(total / count, signal, torch.zeros_like(signal), torch.zeros_like(signal))


def nodes(
    estimator: ProbingEstimator,
    node_gradients: Tensor,  # (N, q), each example's gradient at the layer's summing nodes
    inputs: Tensor,  # (N, p), what drove the layer
    others: Tensor | None = None,  # (N,), squared node gradient of the other layers perturbed with it
    reading_noise: float = 0.0,  # m, of one example's loss
) -> Prediction:
    """Predict node perturbation of one dense layer for a given batch, flattened (q, p) -> q * p coordinates.

    Other layers that are perturbed at the same time leak in through their squared gradient:
    Var_l = |x|^2 (q_l T^2 + (k - 2) |d_l|^2) for independent coordinates.

    An estimator that masks inactive units (`mask=True`) is predicted from active ones alone: the caller
    passes only the columns of `node_gradients` whose units are active.

    Raises:
        ValueError: no closed form is known for its distribution and scheme, or with leaking layers; or
            gradients, inputs and leaks are not those of one batch.
    """
    distribution, scheme, probes = estimator.distribution, estimator.scheme, estimator.probes
    _require_derivatives("node gradients", node_gradients, axes=2)
    _require_derivatives("inputs", inputs, axes=2)
    _require_setting(estimator.size, reading_noise)
    count, units = node_gradients.shape
    if len(inputs) != count:
        raise ValueError(f"laws: {count} node gradients for {len(inputs)} inputs; wanted as many")
    eye = torch.eye(units, dtype=node_gradients.dtype, device=node_gradients.device)
    mean = (node_gradients.T @ inputs / count).flatten()
    signal, reading = mean.new_zeros(len(mean), len(mean)), mean.new_zeros(len(mean), len(mean))
    leak = mean.new_zeros(count) if others is None else others
    if tuple(leak.shape) != (count,) or not bool((leak >= 0).all()):
        raise ValueError(f"laws: others are {leak.tolist()}, wanted a square for each of {count} examples")
    if bool(leak.any()) and (distribution.kurtosis is None or scheme.compares_directions):
        raise ValueError(
            "laws: leaking layers have a closed form for independent coordinates with a baseline"
        )
    for d, x, other in zip(node_gradients, inputs, leak, strict=True):
        square = torch.outer(x, x) / count**2
        covariance = signal_covariance(distribution, scheme, d, probes) + other / probes * eye
        signal += torch.kron(covariance, square)
        added = scheme.reading_noise(probes) * reading_noise**2 / estimator.size**2
        reading += torch.kron(added * eye, square)
    return Prediction(mean, signal, reading, torch.zeros_like(signal))


def hypergradient(now: Prediction, before: Prediction, *, memory: float = 0.0) -> tuple[float, float]:
    """The mean and variance of ghat(t+1) . z, the estimated hypergradient of a learning rate.

    z = sum_k memory^k ghat(t-k).

    Estimates are independent, and those of the past alike, with mean b and covariance B; that of now has mean
    a and covariance A. Then z has mean b/(1 - memory) and covariance Z = B/(1 - memory^2), and

        E = a.b / (1 - memory),   Var = a'Za + b'Ab / (1 - memory)^2 + tr(AZ),

    which is unbiased: the inner product of the two true gradients. Where a = b = g and A = B = (V/D) I, the
    last part, V^2/D, rules as soon as V > |g|^2; a memory divides it by (1 + memory)/(1 - memory) in units of
    the squared mean.

    Raises:
        ValueError: a memory outside 0 <= memory < 1.
    """
    if not 0 <= memory < 1:
        raise ValueError(f"laws: memory is {memory}, wanted 0 <= memory < 1")
    mean, spread = before.mean / (1 - memory), before.covariance / (1 - memory**2)
    crossed = now.mean @ spread @ now.mean + mean @ now.covariance @ mean
    return float(now.mean @ mean), float(crossed + (now.covariance * spread).sum())


def bias(distribution: ProbeDistribution, third: Tensor, size: float) -> Tensor:  # (D,)
    """The bias of an estimate, the same for every scheme, where third derivatives are (D, D, D).

    s^2 (t_i / 2 + (k - 3)/6 d_i^3 L), t the gradient of the Laplacian; on the sphere s^2/2 D/(D + 2) t.

    Raises:
        ValueError: no closed form is known for this distribution, the size is none, or the derivatives depend
            on the order of their indices.
    """
    _require_setting(size)
    if third.ndim != 3:
        raise ValueError(f"laws: third derivatives are {tuple(third.shape)}, wanted (D, D, D)")
    return size**2 * distribution.bias(third)


def _require_setting(size: float, reading_noise: float = 0.0) -> None:
    if not 0 < size < math.inf:
        raise ValueError(f"laws: size is {size}, wanted a finite probe size above 0")
    if not 0 <= reading_noise < math.inf:
        raise ValueError(f"laws: reading_noise is {reading_noise}, wanted a finite one of at least 0")


def _require_derivatives(name: str, g: Tensor, axes: int | None = None) -> None:
    if (
        not g.is_floating_point()
        or not g.numel()
        or g.ndim != (axes or g.ndim)
        or not torch.isfinite(g).all()
    ):
        wanted = f"{axes} axes of " if axes else ""
        raise ValueError(
            f"laws: {name} {tuple(g.shape)} {g.dtype}, wanted {wanted}finite floating-point numbers"
        )
