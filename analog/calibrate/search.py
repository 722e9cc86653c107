"""A device's parameters from a table, with honest intervals: Gaussian pseudo-maximum likelihood over cells.

Cells are independent; the readings of one cell are not. Each history's readings have a mean vector and a
covariance matrix that follow from the parameters (by a `Law`; by default the device lives through the same
plan). The estimate solves the score of a Gaussian with these moments, which is unbiased whatever the
distribution (Gourieroux, Monfort and Trognon, Econometrica 52 (1984) 681). It is found by least squares on
whitened first and second moments; once weights and slopes belong to the estimate, both are the same
equations. Standard errors are a sandwich clustered by cell, and count the chance of simulated moments as
1 / copies of the table's own (McFadden, Econometrica 57 (1989) 995). Intervals are 1.96 standard errors on
the scale of the search: a logarithm for what has one sign, the plain value otherwise.

What a table cannot tell (standard error expected of it, from the start, above `limit` of the value) is
held at the device's own value and named, the worst first, so that of two parameters that only
show together one is left.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from scipy.optimize import least_squares
from torch import Tensor

from .moments import Law, Moments, simulated, whitened, whitener
from .report import Calibration, Parameter, examined
from .scales import Scale, numbers, rebuilt, scale, settings, start, stated
from .tables import Table

COPIES = 20  # simulated cells for each measured one
NEAR = 3.0  # standard errors within which weights and slopes are taken as those of the estimate
ROUNDS = 12  # of taking weights and slopes anew


class Frame(NamedTuple):
    """Weights and slopes of the moments at one setting of the parameters."""

    at: Tensor  # (parameters,), search coordinates
    mean: Tensor  # (histories, rows)
    whiten: Tensor  # (histories, rows, rows), inverse Cholesky factor of the covariance
    slopes: Tensor  # (histories * moments, parameters), of the weighted moments
    spread: Tensor  # (parameters, parameters), expected covariance of the estimate


class Problem:
    """One table, one device to start from, the parameters that are free."""

    def __init__(self, device: Any, table: Table, scales: tuple[Scale, ...], law: Law) -> None:
        self.device, self.scales, self.law, self.table = device, scales, law, table
        _, self.which = table.plan.histories
        self.count = self.which.bincount().double()
        rows = table.readings.shape[1]
        self.upper = torch.triu_indices(rows, rows)
        self.reach = torch.tensor([s.reach for s in scales], dtype=torch.float64)
        self.share = torch.where(self.upper[0] == self.upper[1], 0.5**0.5, 1.0).double()

    def moments(self, at: Tensor) -> Moments:
        return self.law(rebuilt(self.device, self.scales, at), self.table.plan)

    def weighted(self, made: Moments, mean: Tensor, whiten: Tensor) -> Tensor:  # (histories, moments)
        """First and second moments in whitened coordinates, each of variance 1 / count for a Gaussian."""
        first = torch.einsum("hij,hj->hi", whiten, made.mean - mean)
        second = whiten @ made.covariance @ whiten.mT + first[:, :, None] * first[:, None, :]
        return torch.cat([first, self.share * second[:, self.upper[0], self.upper[1]]], -1)

    def frame(self, at: Tensor, ways: Tensor) -> Frame:
        """Weights and slopes at `at`; `ways` (parameters, parameters) has the steps of slopes as columns."""
        here = self.moments(at)
        whiten = whitener(here.covariance)
        slopes = []
        for way in ways.unbind(1):
            ends, width = [], 0
            for side in (1, -1):  # one-sided where the device refuses the other
                try:
                    ends.append(self.moments(at + side * way))
                    width += 1
                except ValueError:
                    ends.append(here)
            ahead, behind = (self.weighted(e, here.mean, whiten) for e in ends)
            slopes.append((self.count.sqrt()[:, None] * (ahead - behind)).flatten() / max(width, 1))
        along = torch.stack(slopes, -1) @ torch.linalg.inv(ways)
        return Frame(at, here.mean, whiten, along, torch.linalg.pinv(along.T @ along, hermitian=True))

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
            at = self.solved(frame)
            away = (at - frame.at) / frame.spread.diagonal().sqrt().clamp(min=1e-300)
            if float(away.abs().max()) <= NEAR:
                return frame, at, True
            frame = self.closely(at, frame.spread)
        return frame, at, False

    def solved(self, frame: Frame) -> Tensor:
        own = _means(self.shown(frame), self.which)
        root = self.count.sqrt()[:, None]
        refused = 10.0 * (1.0 + float((root * own).norm())) * torch.ones_like(own)

        def gap(u: Any) -> Any:
            at = torch.as_tensor(u, dtype=torch.float64)
            try:
                made = self.weighted(self.moments(at), frame.mean, frame.whiten)
            except ValueError:  # out of the device's range
                return refused.flatten().numpy()
            return (root * (made - own)).nan_to_num(1e6, 1e6, -1e6).flatten().numpy()

        def slope(u: Any) -> Any:
            del u  # those of the frame, until the next
            return frame.slopes.numpy()

        found = least_squares(gap, frame.at.numpy(), slope, x_scale="jac", ftol=1e-5, xtol=1e-5, max_nfev=15)
        return torch.as_tensor(found.x)

    def covariance(self, frame: Frame) -> Tensor:
        """The sandwich of the estimate, clustered by cell."""
        own = self.shown(frame)
        apart = own - _means(own, self.which)[self.which]
        slopes = frame.slopes.unflatten(0, (len(self.count), -1))[self.which]  # (cells, moments, parameters)
        scores = torch.einsum("cm,cmp->cp", apart, slopes) / self.count.sqrt()[self.which, None]
        scores = scores * (self.count / (self.count - 1)).sqrt()[self.which, None]
        return frame.spread @ (scores.T @ scores) @ frame.spread


def fit(
    device: Any,
    table: Table,
    *,
    free: Sequence[str] | None = None,
    law: Law | None = None,
    copies: int = COPIES,
    seed: int = 0,
    limit: float = 0.2,
) -> Calibration:
    """Estimate the device's parameters from a table of measurements.

    Args:
        device: where the search starts, e.g. the datasheet; what is not estimated stays as it is here.
        free: the parameters to estimate; by default all float fields but `settings(device)`, less what
            the table cannot tell.
        law: (device, plan) -> Moments; by default the device lives through the plan. With a law of
            its own, `device` may be any frozen dataclass of parameters.
        copies: simulated cells for each measured one; standard errors grow by 1 / (2 copies).
        seed: of the simulated moments.
        limit: relative standard error beyond which a parameter counts as not identifiable.
    """
    own = simulated(copies, seed) if law is None else law
    notes: list[str] = []
    names = _candidates(device, free, notes)
    problem = Problem(device, table, tuple(scale(device, n) for n in names), own)
    if free is None:
        problem = identifiable(problem, limit, notes)
    frame, at, settled = problem.search(start(device, problem.scales))
    if not settled:
        notes.append("the search did not settle; start from a device nearer to the table")
    there = problem.moments(at)
    spread = problem.covariance(frame) * (1 + 1 / there.copies)
    made = rebuilt(device, problem.scales, at)
    notes += _doubts(problem.scales, at, spread, limit)
    comments = stated(device.__class__)
    parameters = tuple(
        _parameter(s, float(u), float(e), comments.get(s.name, ""))
        for s, u, e in zip(problem.scales, at, spread.diagonal().clamp(min=0).sqrt(), strict=True)
    )
    return Calibration(
        device=made,
        parameters=parameters,
        held={n: getattr(device, n) for n in numbers(device) if n not in {s.name for s in problem.scales}},
        warnings=tuple(notes),
        diagnostics=examined(made, table, there, seed),
    )


def identifiable(problem: Problem, limit: float, notes: list[str]) -> Problem:
    """The problem with only those parameters that its plan can tell at the start, to within `limit`."""
    scales = problem.scales
    slopes = problem.plainly(start(problem.device, scales)).slopes
    kept = list(range(len(scales)))
    while kept:
        errors = [_expected(slopes[:, kept], j) for j in range(len(kept))]
        allowed = [limit if scales[k].sign else 0.5 for k in kept]
        worst = max(range(len(kept)), key=lambda j: errors[j] / allowed[j])
        if errors[worst] <= allowed[worst]:
            break
        name = scales[kept[worst]].name
        others = [k for k in kept if k != kept[worst]]
        alone = float(slopes[:, kept[worst]].norm())
        why = (
            "it shows only together with others"
            if alone > 0 and 1 / alone <= allowed[worst]
            else "it hardly shows"
        )
        notes.append(
            f"{name} is not identifiable from this table ({why}; expected relative standard error "
            f"{errors[worst]:.2g}); held at {getattr(problem.device, name):g}"
        )
        kept = others
    if not kept:
        raise ValueError(
            f"{type(problem.device).__name__}: no parameter is identifiable from this table; "
            + "; ".join(notes)
        )
    return Problem(problem.device, problem.table, tuple(scales[k] for k in kept), problem.law)


def _expected(slopes: Tensor, one: int) -> float:
    """Standard error of one parameter among those with these slopes, were readings Gaussian."""
    column = slopes[:, one]
    others = torch.cat([slopes[:, :one], slopes[:, one + 1 :]], 1)
    if others.shape[1]:
        column = column - others @ torch.linalg.lstsq(others, column[:, None], driver="gelsd").solution[:, 0]
    alone = float(column.norm())
    return 1 / alone if alone > 1e-6 * float(slopes[:, one].norm()) and alone > 0 else math.inf


def _candidates(device: Any, free: Sequence[str] | None, notes: list[str]) -> tuple[str, ...]:
    there = numbers(device)
    if free is not None:
        for name in free:
            if name not in there:
                raise ValueError(
                    f"{type(device).__name__}: {name} is not a float parameter; there are {', '.join(there)}"
                )
        if not free:
            raise ValueError(f"{type(device).__name__}: free is empty; name at least one parameter")
        return tuple(free)
    chosen = []
    for name in there:
        if name in settings(device):
            continue
        try:
            scale(device, name)
        except ValueError:
            notes.append(f"{name} is 0 in the device to start from, and was held there")
            continue
        chosen.append(name)
    if not chosen:
        raise ValueError(f"{type(device).__name__}: has no parameter to estimate")
    return tuple(chosen)


def _doubts(scales: tuple[Scale, ...], at: Tensor, spread: Tensor, limit: float) -> list[str]:
    errors = spread.diagonal().clamp(min=0).sqrt().tolist()
    return [
        f"{s.name} is not identifiable from this table: relative standard error {e:.2g}; its interval is a "
        "lower bound of what is not known"
        for s, e in zip(scales, errors, strict=True)
        if not 0 < e <= (1.5 * limit if s.sign else 1.0)
    ]


def _parameter(scale: Scale, at: float, error: float, comment: str) -> Parameter:
    ends = sorted(scale.outward(at + side * 1.959964 * error) for side in (-1, 1))
    value = scale.outward(at)
    return Parameter(scale.name, comment, value, error * (abs(value) if scale.sign else 1), ends[0], ends[1])


def _means(own: Tensor, which: Tensor) -> Tensor:  # (histories, moments)
    count = which.bincount()
    total = own.new_zeros(len(count), own.shape[1]).index_add_(0, which, own)
    return total / count[:, None]
