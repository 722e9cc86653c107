"""What a calibration found: parameters with errors, the rebuilt device, how well it explains a table."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..measurement import MeasurementTable
from ..tables import html_table
from .confidence import ConfidenceDistribution
from .moments import Moments, whitened, whitening


@dataclass(frozen=True)
class Parameter:
    """One estimated number; errors and intervals in its own unit, the interval 95 %.

    Where there are doubts its distribution is not to be trusted.
    """

    name: str
    meaning: str  # as the device's `setting` states it
    unit: str
    value: float
    error: float  # standard error
    low: float
    high: float
    distribution: ConfidenceDistribution  # of which the interval is one
    doubts: tuple[str, ...] = ()  # why the distribution cannot be trusted; empty: it can


@dataclass(frozen=True)
class Diagnostic:
    """One property of the residuals, beside what the fitted device predicts for it."""

    name: str
    value: float
    predicted: float
    z: float  # of their difference; beyond about 4 the device's law does not suit the table


@dataclass(frozen=True)
class Diagnostics:
    """Residuals in coordinates in which those of the fitted device are uncorrelated with variance 1."""

    tests: tuple[Diagnostic, ...]
    residuals: Tensor  # (cells, rows)
    fitted: Tensor  # (cells, rows), mean readings of the fitted device
    spread: Tensor  # (cells, rows), their sd between cells


@dataclass(frozen=True)
class Calibration:
    """The result of a calibration: a device with its estimated parameters, and how far to trust them."""

    device: Any  # rebuilt with the estimates
    parameters: tuple[Parameter, ...]
    fixed: dict[str, float]  # not estimated, as in the device that the search started from
    warnings: tuple[str, ...]
    diagnostics: Diagnostics

    def __repr__(self) -> str:
        doubted = sum(bool(p.doubts) for p in self.parameters)
        notes = [f"{len(self.parameters)} parameters found"]
        notes += [f"{doubted} in doubt"] * bool(doubted) + [f"{len(self.fixed)} held"] * bool(self.fixed)
        notes += [f"{len(self.warnings)} warnings"] * bool(self.warnings)
        return f"Calibration({type(self.device).__name__}, {', '.join(notes)})"

    def _repr_html_(self) -> str:
        """A notebook's view: each estimate with its error and interval, and the warnings below."""
        rows: list[tuple[object, ...]] = [
            (p.name, p.value, p.error, p.low, p.high, p.unit, p.meaning, "; ".join(p.doubts))
            for p in self.parameters
        ]
        rows += [(name, value, "held", "", "", "", "", "") for name, value in self.fixed.items()]
        rows += [("warning", warning, "", "", "", "", "", "") for warning in self.warnings]
        header = ("parameter", "value", "error", "low (95 %)", "high (95 %)", "unit", "meaning", "doubts")
        return html_table(repr(self), header, rows)

    def __str__(self) -> str:
        width = max((len(p.name) for p in self.parameters), default=0)
        lines = (
            f"    {p.name:{width}} {p.value:.4g} ± {p.error:.2g} {p.unit}".rstrip() for p in self.parameters
        )
        notes = (f"    warning: {warning}" for warning in self.warnings)
        return "\n".join((f"Calibration of {type(self.device).__name__}:", *lines, *notes))

    def __getitem__(self, name: str) -> Parameter:
        """The estimate of one parameter.

        Raises:
            KeyError: it was not estimated; names those that were.
        """
        for p in self.parameters:
            if p.name == name:
                return p
        raise KeyError(f"{name} was not estimated; estimated: {', '.join(p.name for p in self.parameters)}")


def diagnose(table: MeasurementTable, moments: Moments, simulated: Tensor | None) -> Diagnostics:
    """Compare residuals with those of cells simulated anew, or with Gaussian ones under a closed form.

    Args:
        table: what the device was fitted to.
        moments: of the fitted device's readings, by the model that fitted it.
        simulated: readings of the fitted device, (copies, cells, rows), of draws of their own.
    """
    which = table.plan.histories[1]
    factors, fitted = whitening(moments.covariance), moments.mean[which]
    z = whitened(table.readings, which, moments.mean, factors)
    observed, predicted = _properties(z, fitted), None
    if simulated is not None:
        others = whitened(simulated, which, moments.mean, factors).flatten(0, 1)
        predicted = _properties(others, fitted.repeat(len(simulated), 1))
    tests = tuple(
        _compare(name, gaussian, least / z.shape[1], observed[:, i], again)
        for i, (name, gaussian, least) in enumerate(_PROPERTIES)
        for again in [None if predicted is None else predicted[:, i]]
    )
    spread = moments.covariance.diagonal(dim1=-2, dim2=-1).sqrt()[which]
    return Diagnostics(tests, z, fitted, spread)


def _compare(
    name: str, gaussian: float, least: float, observed: Tensor, simulated: Tensor | None
) -> Diagnostic:
    """One property of measured cells (cells,) beside that of simulated ones, or of Gaussian residuals.

    Its variance between cells is at least `least`: a table in which something rare is absent does not know
    how rare it is.
    """
    value, variance, inverse = float(observed.mean()), max(least, float(observed.var())), 1 / len(observed)
    predicted = gaussian
    if simulated is not None:
        predicted, variance = float(simulated.mean()), max(variance, float(simulated.var()))
        inverse += 1 / len(simulated)
    return Diagnostic(name, value, predicted, (value - predicted) / max(variance * inverse, 1e-300) ** 0.5)


RARE = 6.3e-5  # of a Gaussian beyond 4
_PROPERTIES = (  # name, its mean and least variance times rows under a Gaussian
    ("bias", 0.0, 0.0),
    ("variance", 1.0, 0.0),
    ("skewness", 0.0, 0.0),
    ("kurtosis", 3.0, 0.0),
    ("runs (product of neighbors in time)", 0.0, 0.0),
    ("heteroscedasticity (square against fitted)", 0.0, 0.0),
    ("share beyond 4", RARE, RARE),
)


def _properties(z: Tensor, fitted: Tensor) -> Tensor:  # (cells, properties)
    """Per cell, so that cells are the independent units of every comparison."""
    spread = fitted.std().clamp(min=1e-300)
    leverage = (fitted - fitted.mean()) / spread
    pairs = (z[:, 1:] * z[:, :-1]).mean(1) if z.shape[1] > 1 else torch.zeros_like(z[:, 0])
    return torch.stack(
        [
            z.mean(1),
            z.square().mean(1),
            z.pow(3).mean(1),
            z.pow(4).mean(1),
            pairs,
            (z.square() * leverage).mean(1),
            (z.abs() > 4).double().mean(1),
        ],
        1,
    )
