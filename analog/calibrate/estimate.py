"""A device's parameters from a table, with honest intervals: Gaussian pseudo-maximum likelihood over cells.

Cells are independent; the readings of one cell are not. The estimate solves the score of a Gaussian with the
device's mean and covariance of a cell's readings, which is unbiased whatever the distribution (Gourieroux,
Monfort and Trognon, Econometrica 52 (1984) 681). Standard errors are a sandwich clustered by cell, and count
the chance of simulated moments as 1 / copies of the table's own (McFadden, Econometrica 57 (1989) 995,
https://doi.org/10.2307/1913621). Intervals are on the scale of the search, a logarithm for what has one sign,
the plain value otherwise. Where few cells of a long tail decide, their width allows for the chance in the
standard error itself, by Student's law with Satterthwaite's degrees of freedom, and their centre for the
skewness: an estimate that such cells would raise is low, and so is its standard error, when they are absent
(Hall, Journal of the Royal Statistical Society B 54 (1992) 221).

What a table cannot tell (standard error expected of it, from the start, above `limit` of the value) is
kept at the device's own value and named; the worst goes first, so that of two parameters that only show
together one is left. Intervals take what is kept as true.
"""

from collections.abc import Sequence
from typing import Any

from scipy.special import stdtrit
from torch import Tensor

from ..measurement import MeasurementTable
from ..settings import Setting, settings
from .identifiability import doubts, drop_unidentifiable
from .moments import MomentModel, simulate_table, simulated_moments
from .parsing import BadTable
from .report import Calibration, Parameter, diagnose
from .scales import SearchScale, float_parameters, not_fitted, rebuild, search_coordinates, search_scale
from .search import MomentMatching, SamplingError

COPIES = 20  # simulated cells for each measured one
APART = 2**39  # between seeds of simulated moments and those of their weights
BEYOND = 20.0  # times what a device shows: a reading beyond it is in another unit


def calibrate(
    device: Any,
    table: MeasurementTable,
    *,
    free: Sequence[str] | None = None,
    model: MomentModel | None = None,
    weight_model: MomentModel | None = None,
    copies: int = COPIES,
    seed: int = 0,
    limit: float = 0.2,
) -> Calibration:
    """Estimate the device's parameters from a table of measurements.

    Args:
        device: where the search starts, e.g. the datasheet; what is not estimated stays as it is here.
        table: the measurements.
        free: the parameters to estimate; by default all float fields but those that are a choice of whoever
            runs the device (`setting(..., fitted=False)`), less what the table cannot tell.
        model: (device, plan) -> Moments; by default the device lives through the plan. With a model of
            its own, `device` may be any frozen dataclass of parameters.
        weight_model: a model for weights and derivatives; by default the same, but simulated by another seed.
        copies: simulated cells for each measured one; standard errors grow by 1 / (2 copies).
        seed: of the simulated moments.
        limit: relative standard error beyond which a parameter of one sign counts as not identifiable;
            for one of either sign it is a standard error of .5.

    Returns:
        The parameters with intervals, the device rebuilt with them, and how well it explains the table.

    Raises:
        BadTable: readings are beyond what the device can show.
        ValueError: `free` names no parameter, or the table tells none.
    """
    if model is None:
        require_plausible(device, table)
        model, weight_model = simulated_moments(copies, seed), simulated_moments(copies, seed - APART)
    notes: list[str] = []
    scales = tuple(search_scale(device, name) for name in _candidates(device, free, notes))
    problem = MomentMatching(device, table, scales, model, weight_model or model)
    if free is None:
        problem = drop_unidentifiable(problem, limit, notes)
    linear, at, settled = problem.search(search_coordinates(device, problem.scales))
    if not settled:
        notes.append("the search did not settle; start from a device nearer to the table")
    moments, sampling = problem.moments(at), problem.sampling_error(linear)
    sampling = sampling._replace(covariance=sampling.covariance * (1 + 1 / moments.copies))
    fitted = rebuild(device, problem.scales, at)
    notes += doubts(problem.scales, sampling.covariance, limit)
    estimated = {s.name for s in problem.scales}
    return Calibration(
        device=fitted,
        parameters=_parameters(type(device), problem.scales, at, sampling),
        fixed={n: getattr(device, n) for n in float_parameters(device) if n not in estimated},
        warnings=tuple(notes),
        diagnostics=diagnose(fitted, table, moments, seed),
    )


def require_plausible(device: Any, table: MeasurementTable) -> None:
    """Refuse readings that no device of this kind could show, such as microsiemens.

    Raises:
        BadTable: names the column, the cell and its row.
    """
    plan = table.plan
    simulated = simulate_table(device, plan, -1, -1).readings
    largest = BEYOND * float(simulated.abs().max())
    wrong = [(table.readings.abs() > largest, f"beyond {largest:.3g} full scales; is it in another unit")]
    if float(simulated.min()) >= 0:
        wrong.append((table.readings < 0, "negative, which this device never is; is the sign right"))
    for where, what in wrong:
        if bool(where.any()):
            cell, row = where.nonzero()[0].tolist()
            raise BadTable(
                f"{type(device).__name__}: column {plan.shown}, cell number {cell}, its row {row}: is "
                f"{float(table.readings[cell, row]):.4g}, {what}?"
            )


def _candidates(device: Any, free: Sequence[str] | None, notes: list[str]) -> tuple[str, ...]:
    present, kind = float_parameters(device), type(device).__name__
    if free is not None:
        for name in free:
            if name not in present:
                raise ValueError(f"{kind}: {name} is not a float parameter; there are {', '.join(present)}")
        if not free:
            raise ValueError(f"{kind}: free is empty; name at least one parameter")
        return tuple(free)
    candidates = []
    for name in present:
        if name in not_fitted(device):
            continue
        try:
            search_scale(device, name)
        except ValueError:
            notes.append(f"{name} is 0 in the device to start from, and was held there")
            continue
        candidates.append(name)
    if not candidates:
        raise ValueError(f"{kind}: has no parameter to estimate")
    return tuple(candidates)


def _parameters(
    device: type[Any], scales: tuple[SearchScale, ...], at: Tensor, sampling: SamplingError
) -> tuple[Parameter, ...]:
    errors = sampling.covariance.diagonal().clamp(min=0).sqrt().tolist()
    shapes = zip(sampling.skewness.tolist(), sampling.freedom.tolist(), strict=True)
    known = settings(device)
    return tuple(
        _parameter(scale, known[scale.name], coordinate, error, _interval(*shape))
        for scale, coordinate, error, shape in zip(scales, at.tolist(), errors, shapes, strict=True)
    )


def _interval(skewness: float, freedom: float) -> tuple[float, float]:
    """The interval's ends in standard errors from the estimate; -1.96 and 1.96 for many Gaussian cells."""
    half_width = float(stdtrit(max(freedom, 1.0), 0.975))
    shift = min(max(skewness, -1.0), 1.0) * (2 * 1.959964**2 + 1) / 6
    return shift - half_width, shift + half_width


def _parameter(
    scale: SearchScale, known: Setting, coordinate: float, error: float, ends: tuple[float, float]
) -> Parameter:
    low, high = sorted(scale.value(coordinate + end * error) for end in ends)
    value = scale.value(coordinate)
    width = error * (abs(value) if scale.sign else 1)
    return Parameter(scale.name, known.meaning, known.unit, value, width, low, high)
