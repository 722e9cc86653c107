"""Closed forms: the mean and covariance of every estimator, to be known before anything is measured.

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

from dataclasses import dataclass

import torch
from scipy.optimize import brentq
from torch import Tensor

from ..estimators.base import NodePerturbation
from ..estimators.base import WeightPerturbation
from ..estimators.distributions import Blocks
from ..estimators.distributions import Independent
from ..estimators.distributions import Joint
from ..estimators.distributions import Law
from ..estimators.distributions import gaussian
from ..estimators.distributions import sphere
from ..estimators.schemes import Antithetic
from ..estimators.schemes import LeaveOneOut
from ..estimators.schemes import Scheme


@dataclass(frozen=True)
class Prediction:
    """What an estimate of a gradient is distributed like, its covariance in three independent parts."""

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
    law: Law,
    scheme: Scheme,
    g: Tensor,  # (D,), or of a body for laws that ask for its shape; the prediction is flat
    *,
    probes: int,
    size: float = 1.0,
    reading_noise: float = 0.0,  # m
    hessian: Tensor | None = None,  # (D, D), of a quadratic loss; its curvature adds no bias
) -> Prediction:
    """An estimate from `probes` directions of one loss with gradient g.

    Raises:
        ValueError: no closed form is known for this law and scheme with curvature.
    """
    eye = torch.eye(g.numel(), dtype=g.dtype, device=g.device)
    signal = _signal(law, scheme, g, probes)
    if hessian is not None and not isinstance(scheme, Antithetic):
        signal = signal + _curvature(law, scheme, hessian, probes) * size**2 / 4
    reading = scheme.reading_noise(probes) * reading_noise**2 / size**2 * eye
    return Prediction(g.flatten(), signal, reading, torch.zeros_like(eye))


def weights(
    estimator: WeightPerturbation, gradients: Tensor, batch: int, reading_noise: float = 0.0
) -> Prediction:
    """Weight perturbation of a batch drawn with replacement from examples with these gradients.

    Args:
        gradients: (examples, D), each example's gradient at the knobs, of a loss that is linear at the
            probe size; `reading_noise` is that of one example's loss, averaged over the batch.
    """
    mean = gradients.mean(0)
    scatter = (gradients - mean).T @ (gradients - mean) / len(gradients) / batch
    law, scheme, probes = estimator.law, estimator.scheme, estimator.probes
    made = along_directions(
        law, scheme, mean, probes=probes, size=estimator.size, reading_noise=reading_noise / batch**0.5
    )
    # the direction's spread is quadratic in g, so its mean over batches is that of the mean gradient plus
    # that of the batch's scatter, taken along the scatter's own axes
    values, axes = torch.linalg.eigh(scatter)
    around = sum(
        (
            _signal(law, scheme, axis * value.clamp(min=0).sqrt(), probes)
            for value, axis in zip(values, axes.T, strict=True)
        ),
        torch.zeros_like(scatter),
    )
    return Prediction(mean, made.perturbation + around, made.reading, scatter)


def flipout(law: Independent, gradients: Tensor, *, probes: int) -> Prediction:
    """Flipout for a given batch of one tile, whose examples have these gradients (N, D) at the knobs.

    Cov = [sum_n cov(g_n) + (k - 1) diag(sum over n != m of g_n o g_m)] / (N^2 K), cov(g) that of a single
    direction: with signs (k = 1) examples are as good as independent.
    """
    count, total = len(gradients), gradients.sum(0)
    own = sum((law.covariance(g, 1) for g in gradients), torch.zeros(len(total), len(total)).to(total))
    shared = torch.diag(total.square() - gradients.square().sum(0)) * (law.kurtosis - 1)
    signal = (own + shared) / (count**2 * probes)
    return Prediction(total / count, signal, torch.zeros_like(signal), torch.zeros_like(signal))


def nodes(
    estimator: NodePerturbation,
    slopes: Tensor,  # (N, q), each example's gradient at the layer's summing nodes
    inputs: Tensor,  # (N, p), what drove the layer
    others: Tensor | None = None,  # (N,), squared node gradient of the other layers perturbed with it
    reading_noise: float = 0.0,  # m, of one example's loss
) -> Prediction:
    """Node perturbation of one dense layer for a given batch, flattened (q, p) -> q * p coordinates.

    Other layers that are perturbed at the same time leak in through their squared gradient:
    Var_l = |x|^2 (q_l T^2 + (k - 2) |d_l|^2) for independent coordinates.
    """
    count, units = slopes.shape
    eye = torch.eye(units, dtype=slopes.dtype, device=slopes.device)
    mean = (slopes.T @ inputs / count).flatten()
    signal, reading = mean.new_zeros(len(mean), len(mean)), mean.new_zeros(len(mean), len(mean))
    leak = mean.new_zeros(count) if others is None else others
    if bool(leak.any()) and (
        not isinstance(estimator.law, Independent) or isinstance(estimator.scheme, LeaveOneOut)
    ):
        raise ValueError(
            "laws: leaking layers have a closed form for independent coordinates with a baseline"
        )
    for d, x, other in zip(slopes, inputs, leak, strict=True):
        square = torch.outer(x, x) / count**2
        spread = (
            _signal(estimator.law, estimator.scheme, d, estimator.probes) + other / estimator.probes * eye
        )
        signal += torch.kron(spread, square)
        added = estimator.scheme.reading_noise(estimator.probes) * reading_noise**2 / estimator.size**2
        reading += torch.kron(added * eye, square)
    return Prediction(mean, signal, reading, torch.zeros_like(signal))


def best_rate(law: Independent, probes: int, coordinates: int, curvature: float) -> float:
    """The rate at which plain descent gains most per step where H = curvature * I; twice it gains nothing."""
    return 1 / (curvature * (1 + (coordinates - 2 + law.kurtosis) / probes))


def hypergradient(now: Prediction, before: Prediction, *, memory: float = 0.0) -> tuple[float, float]:
    """Mean and variance of ghat(t+1) . z, what the tuner of a rate is given; z = sum_k memory^k ghat(t-k).

    Estimates are independent, and those of the past alike, with mean b and covariance B; that of now has mean
    a and covariance A. Then z has mean b/(1 - memory) and covariance Z = B/(1 - memory^2), and

        E = a.b / (1 - memory),   Var = a'Za + b'Ab / (1 - memory)^2 + tr(AZ),

    which is unbiased: the inner product of the two true gradients. Where a = b = g and A = B = (V/D) I, the
    last part, V^2/D, rules as soon as V > |g|^2; a memory divides it by (1 + memory)/(1 - memory) in units of
    the squared mean.
    """
    if not 0 <= memory < 1:
        raise ValueError(f"laws: memory is {memory}, wanted 0 <= memory < 1")
    mean, spread = before.mean / (1 - memory), before.covariance / (1 - memory**2)
    own = now.mean @ spread @ now.mean + mean @ now.covariance @ mean
    return float(now.mean @ mean), float(own + (now.covariance * spread).sum())


def bias(law: Law, third: Tensor, size: float) -> Tensor:  # (D,)
    """What an estimate is off on average, the same for every scheme, where third derivatives are (D, D, D).

    s^2 (t_i / 2 + (k - 3)/6 d_i^3 L), t the gradient of the Laplacian; on the sphere s^2/2 D/(D + 2) t.
    """
    turn = torch.einsum("ijj->i", third)
    if law is sphere:
        return size**2 / 2 * len(turn) / (len(turn) + 2) * turn
    if not isinstance(law, Independent):
        raise ValueError("laws: bias has a closed form for independent coordinates and the sphere")
    return size**2 * (turn / 2 + (law.kurtosis - 3) / 6 * torch.einsum("iii->i", third))


def best_size(
    law: Law,
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
        ValueError: no closed form is known.
    """
    if isinstance(scheme, Antithetic):
        return _best_pair(law, g, probes, reading_noise, third)
    if hessian is None:
        raise ValueError("laws: the best size of one-sided differences follows from a Hessian; give one")
    made = along_directions(law, scheme, g, probes=probes, reading_noise=reading_noise, hessian=hessian)
    curved = float((made.perturbation - _signal(law, scheme, g, probes)).trace())
    return (float(made.reading.trace()) / curved) ** 0.25


def _best_pair(law: Law, g: Tensor, probes: int, noise: float, third: Tensor | None) -> float:
    if third is None or law is not gaussian:
        raise ValueError(
            "laws: the best size of pairs is known for Gaussian directions and third derivatives"
        )
    turn = torch.einsum("ijj->i", third)
    square = float(turn.square().sum())
    a = (len(g) + 3) * float(g @ turn) / probes
    cubic = 6 * float(third.square().sum()) + 9 * square
    b = (1 - 1 / probes) * square / 4 + (len(g) + 6) * cubic / (36 * probes)
    c = len(g) * noise**2 / (2 * probes)
    return brentq(lambda x: 2 * b * x**3 + a * x**2 - c, *_bracket(a, b, c)) ** 0.5


def _bracket(a: float, b: float, c: float) -> tuple[float, float]:
    """Where 2b x^3 + a x^2 - c is negative, and where it is positive for good."""
    low = max(0.0, -a / (2 * b))
    high = low + (c / b) ** (1 / 3) + 1e-300
    return low, high


def size_from_curvature(scheme: Scheme, probes: int, noise: float, second: float) -> float:
    """s^4 = 4 c K m^2 / E (v'Hv)^2 for directions of fixed length: best size of one-sided differences.

    Args:
        noise: m, of one loss reading.
        second: mean square of second differences (L(+sv) + L(-sv) - 2L)/s^2; around their mean for
            leave-one-out, which does not suffer from what all directions have in common.
    """
    return (4 * scheme.reading_noise(probes) * probes * noise**2 / second) ** 0.25


def size_from_twist(noise: float, third: float) -> float:
    """s^6 = 9 m^2 / E T(v, v, v)^2 for directions of fixed length, fewer than coordinates: pairs.

    Args:
        noise: m, of one loss reading.
        third: mean square of the third derivative along a direction.
    """
    return (9 * noise**2 / third) ** (1 / 6)


def best_probes(perturbation: float, others: float, readings: float = 1.0) -> float:
    """K that descends most per reading at the best rate: sqrt(perturbation / (others readings)).

    A step of K probes costs 1 + readings K vectors an example and gains 1 / (others + perturbation / K).

    Args:
        perturbation: variance of an estimate from one probe, reading noise and all.
        others: |g|^2 and the mini-batch's variance, what is left of E |ghat|^2 with endless probes.
        readings: per probe; 2 for pairs.
    """
    return (perturbation / (others * readings)) ** 0.5


def _signal(law: Law, scheme: Scheme, g: Tensor, probes: int) -> Tensor:
    """Covariance from the directions, for a linear loss."""
    signal = law.covariance(g, probes)
    if not isinstance(scheme, LeaveOneOut):
        return signal
    flat = g.flatten()
    exchanged = flat.square().sum() * torch.eye(len(flat)).to(flat) + torch.outer(flat, flat)
    if isinstance(law, Joint) and law.most is not None:  # no two directions of an orthogonal set are alike
        total = law.most(len(flat))
        twice = 2 * (law.covariance(flat, 1) + torch.outer(flat, flat))
        return signal + (total * exchanged - twice) / ((total - 1) * probes * (probes - 1))
    if isinstance(law, Blocks):  # probes of the same block exchange less
        block = law.block(len(flat)).to(flat.device)
        together = (block.unsqueeze(-1) == block).to(flat.dtype)
        own = torch.diag(together @ flat.square()) + together * torch.outer(flat, flat)
        return signal + (exchanged - own * law.blocks / probes) / (probes - 1) ** 2
    return signal + exchanged / (probes * (probes - 1))


def _curvature(law: Law, scheme: Scheme, hessian: Tensor, probes: int) -> Tensor:
    """E [(v'Hv)^2 v v'] over the probes, in units of s^2 / 4, for Gaussian and Rademacher coordinates."""
    if not isinstance(law, Independent) or law.kurtosis not in (1.0, 3.0):
        raise ValueError("laws: curvature has a closed form for Gaussian and Rademacher directions")
    eye = torch.eye(len(hessian), dtype=hessian.dtype, device=hessian.device)
    trace = hessian.trace()
    h = hessian if law.kurtosis == 3.0 else hessian - torch.diag(hessian.diagonal())
    square = h @ h
    if law.kurtosis == 1.0:
        square = square - torch.diag(square.diagonal())
    spread = 2 * h.square().sum() * eye + 8 * square  # of v'Hv around its mean
    if isinstance(scheme, LeaveOneOut):
        return spread / probes + 2 * h.square().sum() * eye / (probes * (probes - 1))
    return (spread + trace**2 * eye + 4 * trace * h) / probes
