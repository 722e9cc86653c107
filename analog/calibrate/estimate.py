"""A device's parameters from a table, with honest intervals: Gaussian pseudo-maximum likelihood over cells.

Cells are independent; the readings of one cell are not. The estimate solves the score of a Gaussian with
the device's mean and covariance of a cell's readings, which is unbiased whatever the distribution
(Gourieroux, Monfort and Trognon, Econometrica 52 (1984) 681). Standard errors are a sandwich clustered by
cell, and count the chance of simulated moments as 1 / copies of the table's own (McFadden, Econometrica 57
(1989) 995). Intervals are on the scale of the search, a logarithm for what has one sign, the plain value
otherwise. Where few cells of a long tail decide, their width allows for the chance in the standard error
itself, by Student's law with Satterthwaite's degrees of freedom, and their centre for the skewness: an
estimate that such cells would raise is low, and so is its standard error, when they are absent (Hall,
Journal of the Royal Statistical Society B 54 (1992) 221).

What a table cannot tell (standard error expected of it, from the start, above `limit` of the value) is
held at the device's own value and named; the worst goes first, so that of two parameters that only show
together one is left. Intervals take what is held as true.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from scipy.special import stdtrit
from torch import Tensor

from .moments import Law
from .moments import measured
from .moments import simulated
from .parsing import BadTable
from .report import Calibration
from .report import Parameter
from .report import examined
from .scales import Scale
from .scales import numbers
from .scales import rebuilt
from .scales import scale
from .scales import settings
from .scales import start
from .scales import stated
from .search import Problem
from .tables import Table

COPIES = 20  # simulated cells for each measured one
APART = 2**39  # between seeds of simulated moments and those of their weights
EITHER_SIGN = 0.5  # standard error beyond which a parameter of either sign counts as not identifiable
BEYOND = 20.0  # times what a device shows: a reading beyond it is in another unit


def fit(
    device: Any,
    table: Table,
    *,
    free: Sequence[str] | None = None,
    law: Law | None = None,
    weights: Law | None = None,
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
        weights: a law for weights and slopes; by default the law, but simulated with another seed.
        copies: simulated cells for each measured one; standard errors grow by 1 / (2 copies).
        seed: of the simulated moments.
        limit: relative standard error beyond which a parameter of one sign counts as not identifiable;
            for one of either sign it is a standard error of .5.

    Raises:
        BadTable: readings are beyond what the device can show.
        ValueError: `free` names no parameter, or the table tells none.
    """
    if law is None:
        require_possible(device, table)
        law, weights = simulated(copies, seed), simulated(copies, seed - APART)
    notes: list[str] = []
    names = _candidates(device, free, notes)
    problem = Problem(device, table, tuple(scale(device, n) for n in names), law, weights or law)
    if free is None:
        problem = identifiable(problem, limit, notes)
    frame, at, settled = problem.search(start(device, problem.scales))
    if not settled:
        notes.append("the search did not settle; start from a device nearer to the table")
    there = problem.moments(at)
    chance = problem.chance(frame)
    spread = chance.covariance * (1 + 1 / there.copies)
    made = rebuilt(device, problem.scales, at)
    notes += _doubts(problem.scales, at, spread, limit)
    comments = stated(device.__class__)
    errors = spread.diagonal().clamp(min=0).sqrt().tolist()
    around = zip(chance.skewness.tolist(), chance.freedom.tolist(), strict=True)
    parameters = tuple(
        _parameter(s, u, e, _ends(*shape), comments.get(s.name, ""))
        for s, u, e, shape in zip(problem.scales, at.tolist(), errors, around, strict=True)
    )
    return Calibration(
        device=made,
        parameters=parameters,
        held={n: getattr(device, n) for n in numbers(device) if n not in {s.name for s in problem.scales}},
        warnings=tuple(notes),
        diagnostics=examined(made, table, there, seed),
    )


def require_possible(device: Any, table: Table) -> None:
    """Raise BadTable for readings that no device of this kind could show, such as microsiemens."""
    shown, plan = measured(device, table.plan, -1, -1).readings, table.plan
    far = BEYOND * float(shown.abs().max())
    wrong = [(table.readings.abs() > far, f"beyond {far:.3g} full scales; is it in another unit")]
    if float(shown.min()) >= 0:
        wrong.append((table.readings < 0, "negative, which this device never is; is the sign right"))
    for where, what in wrong:
        if bool(where.any()):
            cell, row = where.nonzero()[0].tolist()
            raise BadTable(
                f"{type(device).__name__}: column {plan.shown}, cell number {cell}, its row {row}: is "
                f"{float(table.readings[cell, row]):.4g}, {what}?"
            )


def identifiable(problem: Problem, limit: float, notes: list[str]) -> Problem:
    """The problem with only those parameters that its plan can tell at the start, to within `limit`."""
    scales = problem.scales
    slopes = problem.plainly(start(problem.device, scales)).slopes
    kept = list(range(len(scales)))
    while kept:
        errors = [_expected(slopes[:, kept], j) for j in range(len(kept))]
        allowed = [limit if scales[k].sign else EITHER_SIGN for k in kept]
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
    return Problem(
        problem.device, problem.table, tuple(scales[k] for k in kept), problem.law, problem.weights
    )


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
        if not 0 < e <= 1.5 * (limit if s.sign else EITHER_SIGN)
    ]


def _ends(skewness: float, freedom: float) -> tuple[float, float]:
    """The interval's ends in standard errors from the estimate; -1.96 and 1.96 for many Gaussian cells."""
    reach = float(stdtrit(max(freedom, 1.0), 0.975))
    shift = min(max(skewness, -1.0), 1.0) * (2 * 1.959964**2 + 1) / 6
    return shift - reach, shift + reach


def _parameter(scale: Scale, at: float, error: float, ends: tuple[float, float], comment: str) -> Parameter:
    low, high = sorted(scale.outward(at + end * error) for end in ends)
    value = scale.outward(at)
    return Parameter(scale.name, comment, value, error * (abs(value) if scale.sign else 1), low, high)
