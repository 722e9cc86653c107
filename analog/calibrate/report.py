"""What a calibration found: parameters with errors, the rebuilt device, how well it explains a table."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .moments import AWAY
from .moments import Moments
from .moments import lived
from .moments import whitened
from .moments import whitener
from .tables import Table


@dataclass(frozen=True)
class Parameter:
    """One estimated number; errors and intervals in its own unit, the interval 95 %."""

    name: str
    comment: str  # its meaning and unit, as the device's source states them
    value: float
    error: float  # standard error
    low: float
    high: float


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
    """What a table says of a device."""

    device: Any  # rebuilt with the estimates
    parameters: tuple[Parameter, ...]
    held: dict[str, float]  # not estimated, as in the device that the search started from
    warnings: tuple[str, ...]
    diagnostics: Diagnostics

    def __getitem__(self, name: str) -> Parameter:
        for p in self.parameters:
            if p.name == name:
                return p
        raise KeyError(f"{name} was not estimated; estimated: {', '.join(p.name for p in self.parameters)}")


def examined(device: Any, table: Table, at: Moments, seed: int) -> Diagnostics:
    """Compare residuals with those of cells simulated anew, or with Gaussian ones under a closed form."""
    which = table.plan.histories[1]
    whiten, fitted = whitener(at.covariance), at.mean[which]
    z = whitened(table.readings, which, at.mean, whiten)
    own, other = _properties(z, fitted), None
    if math.isfinite(at.copies):
        again = lived(device, table.plan, AGAIN, seed - 2 * AWAY, seed - 2 * AWAY)
        other = _properties(whitened(again, which, at.mean, whiten).flatten(0, 1), fitted.repeat(AGAIN, 1))
    tests = []
    for i, (name, gaussian) in enumerate(_NAMES):
        value, error = float(own[:, i].mean()), float(own[:, i].std()) / len(own) ** 0.5
        predicted, beside = gaussian, 0.0
        if other is not None:
            predicted, beside = float(other[:, i].mean()), float(other[:, i].std()) / len(other) ** 0.5
        tests.append(
            Diagnostic(name, value, predicted, (value - predicted) / max(error**2 + beside**2, 1e-300) ** 0.5)
        )
    return Diagnostics(tuple(tests), z, fitted, at.covariance.diagonal(dim1=-2, dim2=-1).sqrt()[which])


AGAIN = 4  # simulated cells for each measured one, beside which residuals are laid
_NAMES = (
    ("bias", 0.0),
    ("variance", 1.0),
    ("skewness", 0.0),
    ("kurtosis", 3.0),
    ("runs (product of neighbours in time)", 0.0),
    ("heteroscedasticity (square against fitted)", 0.0),
    ("share beyond 4", 6.3e-5),
)


def _properties(z: Tensor, fitted: Tensor) -> Tensor:  # (cells, properties)
    """Per cell, so that cells are the independent units of every comparison."""
    spread = fitted.std().clamp(min=1e-300)
    lever = (fitted - fitted.mean()) / spread
    pairs = (z[:, 1:] * z[:, :-1]).mean(1) if z.shape[1] > 1 else torch.zeros_like(z[:, 0])
    return torch.stack(
        [
            z.mean(1),
            z.square().mean(1),
            z.pow(3).mean(1),
            z.pow(4).mean(1),
            pairs,
            (z.square() * lever).mean(1),
            (z.abs() > 4).double().mean(1),
        ],
        1,
    )
