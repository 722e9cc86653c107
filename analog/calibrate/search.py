"""The search for the parameters at which a device's moments are those of a table.

Each history's readings have a mean vector and a covariance matrix that follow from the parameters. The
score of a Gaussian with these moments is solved by least squares on whitened first and second moments: with
weights and slopes that belong to the solution, both are the same equations.
"""

from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import torch
from scipy.optimize import least_squares
from torch import Tensor

from .moments import Law
from .moments import Moments
from .moments import whitened
from .moments import whitener
from .scales import Scale
from .scales import rebuilt
from .tables import Table

ROUNDS = 12  # of taking weights and slopes anew
SOLVED = 0.02  # half the squared gap that may be left, in standard errors


class Frame(NamedTuple):
    """Weights and slopes of the moments at one setting of the parameters."""

    at: Tensor  # (parameters,), search coordinates
    ways: Tensor  # (parameters, parameters), steps over which slopes were taken, as columns
    mean: Tensor  # (histories, rows)
    whiten: Tensor  # (histories, rows, rows), inverse Cholesky factor of the covariance
    slopes: Tensor  # (histories * moments, parameters), of the weighted moments
    spread: Tensor  # (parameters, parameters), expected covariance of the estimate


class Chance(NamedTuple):
    """How an estimate scatters, from what each cell adds to it."""

    covariance: Tensor  # (parameters, parameters)
    skewness: Tensor  # (parameters,), of the estimate
    freedom: (
        Tensor  # (parameters,), degrees of freedom of its standard error, 2 / its square's relative variance
    )


class Problem:
    """One table, one device to start from, the parameters that are free."""

    def __init__(self, device: Any, table: Table, scales: tuple[Scale, ...], law: Law, weights: Law) -> None:
        self.device, self.scales, self.law, self.weights, self.table = device, scales, law, weights, table
        _, self.which = table.plan.histories
        self.count = self.which.bincount().double()
        rows = table.readings.shape[1]
        self.upper = torch.triu_indices(rows, rows)
        self.reach = torch.tensor([s.reach for s in scales], dtype=torch.float64)
        self.share = torch.where(self.upper[0] == self.upper[1], 0.5**0.5, 1.0).double()

    def moments(self, at: Tensor) -> Moments:
        return self.law(rebuilt(self.device, self.scales, at), self.table.plan)

    def sketch(self, at: Tensor) -> Moments:
        """Moments for weights and slopes, by another seed: where chance makes a moment large it makes its
        slope large too, and by the same seed all such moments together would pull the estimate.
        """
        return self.weights(rebuilt(self.device, self.scales, at), self.table.plan)

    def weighted(self, made: Moments, mean: Tensor, whiten: Tensor) -> Tensor:  # (histories, moments)
        """First and second moments in whitened coordinates, each of variance 1 / count for a Gaussian."""
        first = torch.einsum("hij,hj->hi", whiten, made.mean - mean)
        second = whiten @ made.covariance @ whiten.mT + first[:, :, None] * first[:, None, :]
        return torch.cat([first, self.share * second[:, self.upper[0], self.upper[1]]], -1)

    def frame(self, at: Tensor, ways: Tensor) -> Frame:
        """Weights and slopes at `at`; `ways` (parameters, parameters) has the steps of slopes as columns."""
        here = self.sketch(at)
        whiten = whitener(here.covariance)
        slopes = self.slopes(self.sketch, at, ways, here.mean, whiten)
        return Frame(at, ways, here.mean, whiten, slopes, _inverse(slopes.T @ slopes))

    def slopes(
        self, look: Callable[[Tensor], Moments], at: Tensor, ways: Tensor, mean: Tensor, whiten: Tensor
    ) -> Tensor:  # (histories * moments, parameters)
        """How the weighted moments that `look` shows change with the parameters."""
        slopes = []
        for way in ways.unbind(1):
            ends, width = [], 0
            for side in (1, -1):  # one-sided where the device refuses the other
                try:
                    ends.append(look(at + side * way))
                    width += 1
                except ValueError:
                    ends.append(look(at))
            ahead, behind = (self.weighted(e, mean, whiten) for e in ends)
            slopes.append((self.count.sqrt()[:, None] * (ahead - behind)).flatten() / max(width, 1))
        return torch.stack(slopes, -1) @ torch.linalg.inv(ways)

    def plainly(self, at: Tensor) -> Frame:
        """A first look: slopes parameter by parameter."""
        return self.frame(at, torch.diag(self.reach))

    def closely(self, at: Tensor, spread: Tensor) -> Frame:
        """Slopes along the axes of an expected covariance, over two standard errors to either side.

        Where parameters show almost only together, what tells them apart is the small difference of large
        slopes: here it is a slope of its own.
        """
        sizes, axes = torch.linalg.eigh(spread)
        ways = axes * (2 * sizes.clamp(min=1e-18).sqrt())
        far = (ways.abs() / (3 * self.reach[:, None])).amax(0).clamp(min=1.0)
        return self.frame(at, ways / far)

    def shown(self, frame: Frame) -> Tensor:  # (cells, moments)
        """Every cell's own contribution to the weighted moments."""
        z = whitened(self.table.readings, self.which, frame.mean, frame.whiten)
        return torch.cat([z, self.share * z[:, self.upper[0]] * z[:, self.upper[1]]], -1)

    def search(self, at: Tensor) -> tuple[Frame, Tensor, bool]:
        """Weights and slopes near the estimate, the estimate, and whether the search has settled."""
        frame = self.closely(at, self.plainly(at).spread)
        for _ in range(ROUNDS):
            at, whole = self.solved(frame)
            if float(((at - frame.at) / self.reach).abs().max()) <= 1:
                return frame, at, whole
            frame = self.closely(at, frame.spread)
        return frame, at, False

    def solved(self, frame: Frame) -> tuple[Tensor, bool]:
        """Where the frame's slopes see nothing of the gap between the table's moments and the device's.

        As many equations as parameters. The gap itself, which is mostly what no parameter can mend, is made
        small only where these have no solution, as for a noise that the table shows less of than none.
        """
        seen, slopes = torch.linalg.qr(frame.slopes)
        found = self._least(frame, seen, slopes)
        whole = float(found.cost) <= SOLVED
        if not whole:
            found = self._least(frame, None, frame.slopes)
        return torch.as_tensor(found.x), whole

    def _least(self, frame: Frame, seen: Tensor | None, slopes: Tensor) -> Any:
        """The least squares of the gap, or of what is seen of it along (histories * moments, equations)."""
        own = _means(self.shown(frame), self.which)
        root = self.count.sqrt()[:, None]
        refused = 10.0 * (1.0 + float((root * own).norm())) * torch.ones(len(slopes), dtype=own.dtype)

        def gap(u: Any) -> Any:
            at = torch.as_tensor(u, dtype=torch.float64)
            try:
                made = self.weighted(self.moments(at), frame.mean, frame.whiten)
            except ValueError:  # out of the device's range
                return refused.numpy()
            whole = (root * (made - own)).nan_to_num(1e6, 1e6, -1e6).flatten()
            return (whole if seen is None else seen.T @ whole).numpy()

        def slope(u: Any) -> Any:
            del u  # those of the frame, until the next
            return slopes.numpy()

        return least_squares(gap, frame.at.numpy(), slope, x_scale="jac", ftol=1e-5, xtol=1e-5, max_nfev=15)

    def chance(self, frame: Frame) -> Chance:
        """The sandwich of the estimate, clustered by cell; where nothing shows, what that leaves open."""
        own = self.shown(frame)
        apart = own - _means(own, self.which)[self.which]
        slopes = frame.slopes.unflatten(0, (len(self.count), -1))[self.which]  # (cells, moments, parameters)
        scores = torch.einsum("cm,cmp->cp", apart, slopes) / self.count.sqrt()[self.which, None]
        scores = scores * (self.count / (self.count - 1)).sqrt()[self.which, None]
        # the estimate moves by the slopes of its own moments; those of the frame, squared, count their noise
        moving = self.slopes(self.moments, frame.at, frame.ways, frame.mean, frame.whiten)
        turned = torch.linalg.pinv(frame.slopes.T @ moving)
        pulls = scores @ turned.T  # (cells, parameters), of each cell at the estimate
        found = pulls.T @ pulls
        square = found.diagonal().clamp(min=torch.finfo(found.dtype).tiny)
        skewness, fourth = (pulls**3).sum(0) / square**1.5, (pulls**4).sum(0) / square**2
        blind = frame.spread.diagonal().clamp(min=found.diagonal())  # slopes of nothing are rounding errors
        covariance = torch.where(torch.eye(len(found)).bool() & (frame.spread > 1), blind, found)
        return Chance(covariance, skewness, 2 / (fourth - 1 / len(pulls)).clamp(min=1e-9))


def _inverse(information: Tensor) -> Tensor:
    """The covariance that belongs to it; what carries none has a standard error of 1000."""
    sizes, axes = torch.linalg.eigh(information)
    return axes / sizes.clamp(min=1e-6) @ axes.T


def _means(own: Tensor, which: Tensor) -> Tensor:  # (histories, moments)
    count = which.bincount()
    total = own.new_zeros(len(count), own.shape[1]).index_add_(0, which, own)
    return total / count[:, None]
