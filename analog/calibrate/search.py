"""The search for the parameters at which a device's moments are those of a table.

Each history's readings have a mean vector and a covariance matrix that follow from the parameters. The
score of a Gaussian with these moments, and with the prior of the parameters, is solved by least squares on
whitened first and second moments: with weights and derivatives that belong to the solution, both are the
same equations.
"""

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from scipy.optimize import least_squares
from torch import Tensor

from ..measurement import MeasurementTable
from .moments import MomentModel, Moments, sample_moments, whitening
from .prior import GaussianPrior
from .scales import SearchScale, rebuild

ROUNDS = 12  # of taking weights and derivatives anew
NEAR = 1.0  # differences over which derivatives were taken: how far from them an estimate may be
REACH = 8.0  # standard deviations of its prior: how far a parameter is searched
KINK = 0.5  # half the difference of two one-sided derivatives, over their mean: beyond it there is an edge
INSIDE = 1e-6  # of a range: how far from its ends a search stays


class Linearization(NamedTuple):
    """Weights and derivatives of the moments at one setting of the parameters."""

    at: Tensor  # (parameters,), search coordinates
    directions: Tensor  # (parameters, parameters), steps over which derivatives were taken, as columns
    mean: Tensor  # (histories, rows)
    factors: Tensor  # (histories, rows, rows), inverse Cholesky factor of the covariance
    jacobian: Tensor  # (histories * moments, parameters), of the weighted moments
    least: Tensor  # the same, but beside an edge that of the side which tells less
    covariance: Tensor  # (parameters, parameters), expected of the estimate


class MomentMatching:
    """One table, one device to start from, the parameters that are free, and models of their moments.

    Args:
        device: where the search starts.
        table: the measurements.
        scales: of the parameters that are free.
        model: of the moments that are matched.
        weight_model: of those from which weights and derivatives are taken.
        rough_model: of those that lead there from afar.
        prior: of the parameters that are free.
    """

    def __init__(
        self,
        device: Any,
        table: MeasurementTable,
        scales: tuple[SearchScale, ...],
        model: MomentModel,
        weight_model: MomentModel,
        rough_model: MomentModel,
        prior: GaussianPrior,
    ) -> None:
        self.device, self.scales, self.table = device, scales, table
        self.model, self.weight_model, self.rough_model = model, weight_model, rough_model
        self.prior = prior
        _, self.which = table.plan.histories
        self.count = self.which.bincount().double()
        self.observed = sample_moments(table.readings[None], self.which)
        rows = table.readings.shape[1]
        self.upper = torch.triu_indices(rows, rows)
        self.differences = torch.tensor([s.difference for s in scales], dtype=torch.float64)
        self.share = torch.where(self.upper[0] == self.upper[1], 0.5**0.5, 1.0).double()

    def moments(self, at: Tensor) -> Moments:
        """The moments to be matched, at search coordinates (parameters,)."""
        return self.model(rebuild(self.device, self.scales, at), self.table.plan)

    def weight_moments(self, at: Tensor) -> Moments:
        """Moments for weights and derivatives at `at` (parameters,), by another seed.

        Where chance makes a moment large it makes its derivative large too, and by the same seed all such
        moments together would pull the estimate.
        """
        return self.weight_model(rebuild(self.device, self.scales, at), self.table.plan)

    def rough_moments(self, at: Tensor) -> Moments:
        """Moments at `at` (parameters,) that are good enough to find the way."""
        return self.rough_model(rebuild(self.device, self.scales, at), self.table.plan)

    def within(self, at: Tensor) -> Tensor:
        """The search coordinates (parameters,) nearest to `at` within the device's stated range."""
        low, high = self.box
        return at.clamp(low, high)

    def held(self, one: int, coordinate: float, sd: float) -> "MomentMatching":
        """The same problem with one parameter held at a search coordinate, by a prior with that deviation."""
        mean, sds = self.prior.mean.clone(), self.prior.sd.clone()
        mean[one], sds[one] = coordinate, sd
        held = copy.copy(self)
        held.prior = self.prior._replace(mean=mean, sd=sds)
        return held

    @property
    def box(self) -> tuple[Tensor, Tensor]:
        """The ends of what is searched, (parameters,) each: within the range, and not absurd."""
        mean, reach = self.prior.mean, REACH * self.prior.sd
        low = torch.maximum(self.prior.low + INSIDE, mean - reach)
        return low, torch.minimum(self.prior.high - INSIDE, mean + reach)

    def weighted(self, moments: Moments, mean: Tensor, factors: Tensor) -> Tensor:  # (histories, moments)
        """First and second moments in whitened coordinates, each of variance 1 / count for a Gaussian."""
        first = torch.einsum("hij,hj->hi", factors, moments.mean - mean)
        second = factors @ moments.covariance @ factors.mT + first[:, :, None] * first[:, None, :]
        return torch.cat([first, self.share * second[:, self.upper[0], self.upper[1]]], -1)

    def linearize(self, at: Tensor, directions: Tensor) -> Linearization:
        """Weights and derivatives at `at` (parameters,), along the columns of (parameters, parameters)."""
        here = self.weight_moments(at)
        factors = whitening(here.covariance)
        jacobian, least = self.derivatives(self.weight_moments, at, directions, here.mean, factors)
        covariance = torch.linalg.inv(jacobian.T @ jacobian + torch.diag(self.prior.sd**-2))
        return Linearization(at, directions, here.mean, factors, jacobian, least, covariance)

    def derivatives(
        self,
        model: Callable[[Tensor], Moments],
        at: Tensor,
        directions: Tensor,
        mean: Tensor,
        factors: Tensor,
    ) -> tuple[Tensor, Tensor]:  # (histories * moments, parameters) each
        """How the weighted moments of a model change with the parameters, and the least of it that is sure.

        Where one side tells much more than the other, as before an edge that no cell of the table has
        reached, only what the side that tells less says is sure of a direction.
        """
        middle, root = self.weighted(model(at), mean, factors), self.count.sqrt()[:, None]
        means, least = [], []
        for direction in directions.unbind(1):
            slopes = []
            for side in (1, -1):
                try:
                    there = self.weighted(model(at + side * direction), mean, factors)
                except ValueError:  # one-sided where the device refuses the other
                    continue
                slopes.append((root * (there - middle)).flatten() * side)
            slopes = slopes or [torch.zeros_like(root * middle).flatten()]
            means.append((slopes[0] + slopes[-1]) / 2)
            edge = (slopes[0] - means[-1]).norm() > KINK * means[-1].norm()
            least.append(min(slopes, key=lambda slope: float(slope.norm())) if edge else means[-1])
        inverse = torch.linalg.inv(directions)
        return torch.stack(means, -1) @ inverse, torch.stack(least, -1) @ inverse

    def linearize_by_axis(self, at: Tensor, covariance: Tensor) -> Linearization:
        """Derivatives along the axes of an expected covariance, over two standard errors to either side.

        Where parameters show almost only together, what tells them apart is the small difference of large
        derivatives: here it is a derivative of its own.

        Args:
            at: search coordinates, (parameters,).
            covariance: (parameters, parameters).
        """
        sizes, axes = torch.linalg.eigh(covariance)
        directions = axes * (2 * sizes.clamp(min=1e-18).sqrt())
        far = (directions.abs() / (3 * self.differences[:, None])).amax(0).clamp(min=1.0)
        return self.linearize(at, directions / far)

    def search(self, at: Tensor, covariance: Tensor) -> tuple[Linearization, Tensor, bool]:
        """Search from coordinates (parameters,) that are near already.

        Args:
            at: where the search starts.
            covariance: roughly that of the estimate, (parameters, parameters).

        Returns:
            Weights and derivatives near the estimate, the estimate (parameters,), whether the search settled.
        """
        linear = self.linearize_by_axis(at, covariance)
        for _ in range(ROUNDS):
            at = self.solve(linear)
            if float(((at - linear.at) / self.differences).abs().max()) <= NEAR:
                return linear, at, True
            linear = self.linearize_by_axis(at, linear.covariance)
        return linear, at, False

    def shown(self, at: Tensor, linear: Linearization) -> Tensor:  # (histories * moments,)
        """The weighted moments at `at` (parameters,), each of variance 1 for a Gaussian."""
        try:
            weighted = self.weighted(self.moments(at), linear.mean, linear.factors)
        except ValueError:
            return torch.full_like(linear.jacobian[:, 0], torch.inf)
        return (self.count.sqrt()[:, None] * weighted).flatten()

    def solve(self, linear: Linearization, evaluations: int = 15) -> Tensor:
        """Where the derivatives see nothing of the gap between the table's moments and the device's.

        As many equations as parameters, and as many of the prior: the gap itself is mostly what no parameter
        can mend.

        Args:
            linear: weights and derivatives, and where to start.
            evaluations: of the moments, at most.

        Returns:
            Search coordinates, (parameters,).
        """
        basis, jacobian = torch.linalg.qr(linear.jacobian)
        observed = self.weighted(self.observed, linear.mean, linear.factors)
        root = self.count.sqrt()[:, None]
        precision = torch.diag(1 / self.prior.sd)
        refused = torch.full((len(jacobian),), 10 * (1 + float((root * observed).norm()))).double()

        def gap(u: Any) -> Any:
            at = torch.as_tensor(u, dtype=torch.float64)
            away = precision @ (at - self.prior.mean)
            try:
                predicted = self.weighted(self.moments(at), linear.mean, linear.factors)
            except ValueError:  # out of the device's range
                return torch.cat([refused, away]).numpy()
            whole = (root * (predicted - observed)).nan_to_num(1e6, 1e6, -1e6).flatten()
            return torch.cat([basis.T @ whole, away]).numpy()

        def derivatives(u: Any) -> Any:
            del u  # those of the linearization, until the next
            return torch.cat([jacobian, precision]).numpy()

        start, box = self.within(linear.at).numpy(), [end.numpy() for end in self.box]
        bounds, most = (box[0], box[1]), evaluations
        found = least_squares(
            gap, start, derivatives, bounds=bounds, x_scale="jac", ftol=1e-5, xtol=1e-5, max_nfev=most
        )
        return torch.as_tensor(found.x)
