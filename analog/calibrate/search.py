"""The search for the parameters at which a device's moments are those of a table.

Each history's readings have a mean vector and a covariance matrix that follow from the parameters. The
score of a Gaussian with these moments is solved by least squares on whitened first and second moments: with
weights and derivatives that belong to the solution, both are the same equations.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from scipy.optimize import least_squares
from torch import Tensor

from ..measurement import MeasurementTable
from .moments import MomentModel, Moments, whitened, whitening
from .scales import SearchScale, rebuild

ROUNDS = 12  # of taking weights and derivatives anew
SOLVED = 0.02  # half the squared gap that may be left, in standard errors


class Linearization(NamedTuple):
    """Weights and derivatives of the moments at one setting of the parameters."""

    at: Tensor  # (parameters,), search coordinates
    directions: Tensor  # (parameters, parameters), steps over which derivatives were taken, as columns
    mean: Tensor  # (histories, rows)
    factors: Tensor  # (histories, rows, rows), inverse Cholesky factor of the covariance
    jacobian: Tensor  # (histories * moments, parameters), of the weighted moments
    covariance: Tensor  # (parameters, parameters), expected of the estimate


class SamplingError(NamedTuple):
    """How an estimate scatters, from what each cell adds to it."""

    covariance: Tensor  # (parameters, parameters)
    skewness: Tensor  # (parameters,), of the estimate
    # (parameters,), degrees of freedom of its standard error: 2 / its square's relative variance
    freedom: Tensor


class MomentMatching:
    """One table, one device to start from, the parameters that are free, and models of their moments.

    Args:
        device: where the search starts.
        table: the measurements.
        scales: of the parameters that are free.
        model: of the moments that are matched.
        weight_model: of those from which weights and derivatives are taken.
    """

    def __init__(
        self,
        device: Any,
        table: MeasurementTable,
        scales: tuple[SearchScale, ...],
        model: MomentModel,
        weight_model: MomentModel,
    ) -> None:
        self.device, self.scales, self.table = device, scales, table
        self.model, self.weight_model = model, weight_model
        _, self.which = table.plan.histories
        self.count = self.which.bincount().double()
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

    def weighted(self, moments: Moments, mean: Tensor, factors: Tensor) -> Tensor:  # (histories, moments)
        """First and second moments in whitened coordinates, each of variance 1 / count for a Gaussian."""
        first = torch.einsum("hij,hj->hi", factors, moments.mean - mean)
        second = factors @ moments.covariance @ factors.mT + first[:, :, None] * first[:, None, :]
        return torch.cat([first, self.share * second[:, self.upper[0], self.upper[1]]], -1)

    def linearize(self, at: Tensor, directions: Tensor) -> Linearization:
        """Weights and derivatives at `at` (parameters,), along the columns of (parameters, parameters)."""
        here = self.weight_moments(at)
        factors = whitening(here.covariance)
        jacobian = self.jacobian(self.weight_moments, at, directions, here.mean, factors)
        return Linearization(at, directions, here.mean, factors, jacobian, _inverse(jacobian.T @ jacobian))

    def jacobian(
        self,
        model: Callable[[Tensor], Moments],
        at: Tensor,
        directions: Tensor,
        mean: Tensor,
        factors: Tensor,
    ) -> Tensor:  # (histories * moments, parameters)
        """How the weighted moments of a model change with the parameters."""
        columns = []
        for direction in directions.unbind(1):
            ends, width = [], 0
            for side in (1, -1):  # one-sided where the device refuses the other
                try:
                    ends.append(model(at + side * direction))
                    width += 1
                except ValueError:
                    ends.append(model(at))
            ahead, behind = (self.weighted(e, mean, factors) for e in ends)
            columns.append((self.count.sqrt()[:, None] * (ahead - behind)).flatten() / max(width, 1))
        return torch.stack(columns, -1) @ torch.linalg.inv(directions)

    def linearize_by_parameter(self, at: Tensor) -> Linearization:
        """A first look: derivatives at `at` (parameters,), parameter by parameter."""
        return self.linearize(at, torch.diag(self.differences))

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

    def contributions(self, linear: Linearization) -> Tensor:  # (cells, moments)
        """Every cell's own contribution to the weighted moments."""
        z = whitened(self.table.readings, self.which, linear.mean, linear.factors)
        return torch.cat([z, self.share * z[:, self.upper[0]] * z[:, self.upper[1]]], -1)

    def search(self, at: Tensor) -> tuple[Linearization, Tensor, bool]:
        """Search from coordinates (parameters,).

        Returns:
            Weights and derivatives near the estimate, the estimate (parameters,), whether the search settled.
        """
        linear = self.linearize_by_axis(at, self.linearize_by_parameter(at).covariance)
        for _ in range(ROUNDS):
            at, solved = self.solve(linear)
            if float(((at - linear.at) / self.differences).abs().max()) <= 1:
                return linear, at, solved
            linear = self.linearize_by_axis(at, linear.covariance)
        return linear, at, False

    def solve(self, linear: Linearization) -> tuple[Tensor, bool]:
        """Where the derivatives see nothing of the gap between the table's moments and the device's.

        As many equations as parameters. The gap itself, which is mostly what no parameter can mend, is made
        small only where these have no solution, as for a noise that the table shows less of than none.

        Returns:
            Search coordinates (parameters,), and whether the equations are solved there.
        """
        basis, jacobian = torch.linalg.qr(linear.jacobian)
        found = self._least_squares(linear, basis, jacobian)
        solved = float(found.cost) <= SOLVED
        if not solved:
            found = self._least_squares(linear, None, linear.jacobian)
        return torch.as_tensor(found.x), solved

    def _least_squares(self, linear: Linearization, basis: Tensor | None, jacobian: Tensor) -> Any:
        """The least squares of the gap, or of its part in a basis (histories * moments, equations)."""
        observed = _means(self.contributions(linear), self.which)
        root = self.count.sqrt()[:, None]
        refused = (
            10.0 * (1.0 + float((root * observed).norm())) * torch.ones(len(jacobian), dtype=observed.dtype)
        )

        def gap(u: Any) -> Any:
            at = torch.as_tensor(u, dtype=torch.float64)
            try:
                predicted = self.weighted(self.moments(at), linear.mean, linear.factors)
            except ValueError:  # out of the device's range
                return refused.numpy()
            whole = (root * (predicted - observed)).nan_to_num(1e6, 1e6, -1e6).flatten()
            return (whole if basis is None else basis.T @ whole).numpy()

        def derivatives(u: Any) -> Any:
            del u  # those of the linearization, until the next
            return jacobian.numpy()

        start = linear.at.numpy()
        return least_squares(gap, start, derivatives, x_scale="jac", ftol=1e-5, xtol=1e-5, max_nfev=15)

    def sampling_error(self, linear: Linearization) -> SamplingError:
        """The sandwich of the estimate, clustered by cell; where nothing shows, what that leaves open."""
        contributions = self.contributions(linear)
        deviations = contributions - _means(contributions, self.which)[self.which]
        each = linear.jacobian.unflatten(0, (len(self.count), -1))[self.which]  # (cells, moments, parameters)
        scores = torch.einsum("cm,cmp->cp", deviations, each) / self.count.sqrt()[self.which, None]
        scores = scores * (self.count / (self.count - 1)).sqrt()[self.which, None]
        # the estimate moves by the derivatives of its own moments; those of the linearization count their
        # own noise when they are squared
        moving = self.jacobian(self.moments, linear.at, linear.directions, linear.mean, linear.factors)
        bread = torch.linalg.pinv(linear.jacobian.T @ moving)
        influences = scores @ bread.T  # (cells, parameters), of each cell on the estimate
        covariance = influences.T @ influences
        square = covariance.diagonal().clamp(min=torch.finfo(covariance.dtype).tiny)
        skewness, fourth = (influences**3).sum(0) / square**1.5, (influences**4).sum(0) / square**2
        # derivatives of nothing are rounding errors
        blind = linear.covariance.diagonal().clamp(min=covariance.diagonal())
        unseen = torch.eye(len(covariance)).bool() & (linear.covariance > 1)
        freedom = 2 / (fourth - 1 / len(influences)).clamp(min=1e-9)
        return SamplingError(torch.where(unseen, blind, covariance), skewness, freedom)


def _inverse(information: Tensor) -> Tensor:
    """The covariance that belongs to it; what carries none has a standard error of 1000."""
    sizes, axes = torch.linalg.eigh(information)
    return axes / sizes.clamp(min=1e-6) @ axes.T


def _means(contributions: Tensor, which: Tensor) -> Tensor:  # (histories, moments)
    count = which.bincount()
    total = contributions.new_zeros(len(count), contributions.shape[1]).index_add_(0, which, contributions)
    return total / count[:, None]
