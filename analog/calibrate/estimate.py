"""A device's parameters from a table, with honest intervals: Gaussian pseudo-maximum likelihood over cells.

Cells are independent; the readings of one cell are not. The estimate solves the score of a Gaussian with the
device's mean and covariance of a cell's readings, which is unbiased whatever the distribution (Gourieroux,
Monfort and Trognon, Econometrica 52 (1984) 681). Standard errors are a sandwich clustered by cell, and count
the chance of simulated moments as 1 / copies of the table's own (McFadden, Econometrica 57 (1989) 995,
https://doi.org/10.2307/1913621). Distributions are on the scale of the search, a logarithm for what has one
sign, the plain value otherwise.

What a table cannot tell is not held at a value that nobody measured: all parameters are searched at once,
each with a wide Gaussian prior of the moments of its range, and what stays open of one is open for all that
show together with it. Which distributions are not to be trusted stands beside each (`Parameter.doubts`), and
simulation-based calibration holds the others to it (Talts et al., https://arxiv.org/abs/1804.06788):
over truths drawn from all of their ranges, each lies below its p-quantile with probability p.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..measurement import MeasurementTable
from ..settings import settings
from .columns import BadTable
from .confidence import ConfidenceDistribution
from .curvature import bends
from .identifiability import UNTOLD, allowed_error, doubts, misfits, tied
from .likelihood import ascend
from .moments import AWAY, MomentModel, simulate_cells, simulate_table, simulated_moments
from .prior import gaussian_prior
from .profile import excess_moves, plateaus
from .report import Calibration, Parameter, diagnose
from .sampling import SamplingError, sampling_error
from .scales import (
    estimated_by_default,
    float_parameters,
    not_fitted,
    rebuild,
    search_coordinates,
    search_scale,
    whole_parameters,
)
from .search import Linearization, MomentMatching

COPIES = 20  # simulated cells for each measured one
ROUGH = 4  # of them while the search is far
AGAIN = 4  # of them anew, beside which residuals are laid
APART = 2**39  # between seeds of simulated moments and those of their weights
SURER = 0.5  # of the standard error that Gaussian readings would leave: derivatives must be noise
NOISY = "surer of itself than Gaussian readings would let it be; give it more copies"
UNSETTLED = "the search did not settle; start from a device nearer to the table"
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
    progress: Callable[[str], None] | None = None,
) -> Calibration:
    """Estimate the device's parameters from a table of measurements.

    Args:
        device: where the search starts and the middle of what is expected, e.g. the datasheet; what is not
            estimated stays as it is here.
        table: the measurements.
        free: the parameters to estimate; by default all float fields but those that are a choice of whoever
            runs the device (`setting(..., fitted=False)`). Distributions take the others as true.
        model: (device, plan) -> Moments; by default the device lives through the plan. With a model of
            its own, `device` may be any frozen dataclass of parameters.
        weight_model: a model for weights and derivatives; by default the same, but simulated by another seed.
        copies: simulated cells for each measured one; standard errors grow by 1 / (2 copies).
        seed: of the simulated moments.
        limit: relative standard error beyond which a parameter of one sign counts as not identifiable;
            for one of either sign it is a standard error of .5.
        progress: is called with a few words when a stage of the search begins.

    Returns:
        The parameters with intervals, the device rebuilt with them, and how well it explains the table.

    Raises:
        BadTable: readings are beyond what the device can show.
        ValueError: `free` names no parameter, or the table tells none.
    """
    if model is None:
        require_plausible(device, table)
    tell = progress or (lambda stage: None)
    notes: list[str] = []
    scales = tuple(search_scale(device, name) for name in _candidates(device, free, notes))
    models = _models(model, weight_model, copies, seed)
    problem = MomentMatching(device, table, scales, *models, gaussian_prior(device, scales))
    tell("climbing the likelihood from afar")
    near = ascend(problem, search_coordinates(device, scales))
    tell("solving the score")
    linear, at, settled = problem.search(*near)
    fitted, moments = rebuild(device, scales, at), problem.moments(at)
    tell("taking errors and what is open")
    simulated = None
    if math.isfinite(moments.copies):
        simulated = simulate_cells(fitted, table.plan, AGAIN, seed - 2 * AWAY, seed - 2 * AWAY)
    diagnostics = diagnose(table, moments, simulated)
    general = misfits(diagnostics.tests) + (() if settled else (UNSETTLED,))
    sampling = sampling_error(problem, linear, moments.copies, simulated)
    moves, bend = torch.zeros_like(sampling.covariance), torch.zeros_like(at)
    if not general:  # else nothing is vouched for anyway
        errors = sampling.covariance.diagonal().sqrt()
        told = errors < problem.prior.sd / 2
        small = errors <= torch.tensor([allowed_error(scale, limit) for scale in scales]).to(errors)
        moves = torch.maximum(
            excess_moves(problem, linear, at, sampling.covariance),
            plateaus(problem, linear, at, sampling.covariance, told & small),
        )
        bend = bends(problem, linear, at, sampling, told)
    parameters = _parameters(problem, linear, at, sampling, limit, general, moves, bend)
    return Calibration(
        device=fitted,
        parameters=parameters,
        fixed={
            n: getattr(device, n)
            for n in (*float_parameters(device), *whole_parameters(device))
            if n not in {s.name for s in scales}
        },
        warnings=(*general, *notes, *_warnings(type(device).__name__, parameters, general)),
        diagnostics=diagnostics,
    )


def _models(
    model: MomentModel | None, weight_model: MomentModel | None, copies: int, seed: int
) -> tuple[MomentModel, MomentModel, MomentModel]:
    """The models of the moments that are matched, of their weights, and of the way there from afar."""
    if model is not None:
        return model, weight_model or model, model
    rough = simulated_moments(min(copies, ROUGH), seed)
    return simulated_moments(copies, seed), simulated_moments(copies, seed - APART), rough


def _warnings(kind: str, parameters: Sequence[Parameter], general: tuple[str, ...]) -> list[str]:
    """A line for each parameter that has doubts of its own; an error where the table tells none of them."""
    own = {p.name: [why for why in p.doubts if why not in general] for p in parameters}
    lines = [f"{name} is {' and '.join(found)}" for name, found in own.items() if found]
    if all(any(why.startswith(UNTOLD) for why in found) for found in own.values()):
        raise ValueError(
            f"{kind}: no parameter is identifiable from this table; measure more, or name in `free` what is "
            f"not known otherwise; {'; '.join(lines)}"
        )
    return lines


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
    candidates = estimated_by_default(device)
    held = set(present) - set(candidates) - set(not_fitted(device))
    notes += [f"{n} is 0 in the device to start from, and was held there" for n in present if n in held]
    notes += [f"{n} is a whole number, and was held at {v}" for n, v in whole_parameters(device).items()]
    if not candidates:
        raise ValueError(f"{kind}: has no parameter to estimate")
    return candidates


def _parameters(
    problem: MomentMatching,
    linear: Linearization,
    at: Tensor,
    sampling: SamplingError,
    limit: float,
    general: tuple[str, ...],
    moves: Tensor,
    bend: Tensor,
) -> tuple[Parameter, ...]:
    errors = sampling.covariance.diagonal().clamp(min=1e-24).sqrt()
    shares = torch.full_like(at, sampling.share)
    shape = sampling.skewness, sampling.freedom.clamp(min=1), shares
    columns = (at, errors, *shape, problem.prior.low, problem.prior.high, bend)
    known, found = settings(type(problem.device)), []
    weak = linear.covariance.diagonal() * SURER**2 > errors**2
    for k, (scale, *numbers) in enumerate(
        zip(problem.scales, *(column.tolist() for column in columns), strict=True)
    ):
        law = ConfidenceDistribution(scale, *numbers)
        value, about = scale.value(law.estimate), known[scale.name]
        width = law.error * (abs(value) if scale.sign else 1)
        low, high = law.quantile(0.025), law.quantile(0.975)
        why = doubts(law, limit, float(problem.prior.sd[k])) + tied(moves[:, k], problem.scales, k) + general
        why += (NOISY,) if bool(weak[k]) else ()
        found.append(Parameter(scale.name, about.meaning, about.unit, value, width, low, high, law, why))
    return tuple(found)
