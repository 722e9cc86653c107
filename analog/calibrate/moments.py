"""Means and covariances of a plan's readings, by letting the device itself live through the plan.

The same numbers are drawn for every setting of the parameters, so that moments change smoothly with them.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..measurement import MeasurementPlan, MeasurementTable
from ..randomness import Fabrication, Noise
from ..streams import stream

AWAY = 2**40  # identities of the cells that are simulated lie this far from anybody's chips


class Moments(NamedTuple):
    """Means and covariances of readings, for each of a plan's histories in the order of `plan.histories`."""

    mean: Tensor  # (histories, rows), float64
    covariance: Tensor  # (histories, rows, rows), float64
    copies: float = math.inf  # simulated cells for each measured one; infinite for a closed form


# a device (or any frozen dataclass of parameters) and a plan -> the moments of the plan's readings
MomentModel = Callable[[Any, MeasurementPlan], Moments]


def simulate_table(
    device: Device, plan: MeasurementPlan, identity: int = 0, noise_seed: int = 0
) -> MeasurementTable:
    """Simulate a lab: the plan carried out on one column of simulated cells.

    Args:
        device: whose cells are measured.
        plan: what is done to them, e.g. `device.default_plan()`.
        identity: who the cells are.
        noise_seed: of the noise of writes and readings.

    Raises:
        ValueError: the plan counts pulses and the device does not say how far a pulse goes.
    """
    return MeasurementTable(plan, simulate_cells(device, plan, 1, identity, noise_seed)[0])


def simulated_moments(copies: int = 20, seed: int = 0) -> MomentModel:
    """A model of any device: moments over `copies` times as many simulated cells as the plan has."""

    def model(device: Device, plan: MeasurementPlan) -> Moments:
        readings = simulate_cells(device, plan, copies, seed - AWAY, seed - AWAY)
        return sample_moments(readings, plan.histories[1])

    return model


def sample_moments(readings: Tensor, which: Tensor) -> Moments:
    """Moments over the copies and over the cells of each history.

    Args:
        readings: (copies, cells, rows).
        which: the history of each cell, (cells,).
    """
    means, covariances = [], []
    for history in range(int(which.max()) + 1):
        sample = readings[:, which == history].flatten(0, 1)
        means.append(sample.mean(0))
        deviation = sample - means[-1]
        covariances.append(deviation.mT @ deviation / len(sample))
    return Moments(torch.stack(means), torch.stack(covariances), readings.shape[0])


def whitening(covariance: Tensor) -> Tensor:  # (histories, rows, rows) -> the same
    """Inverse Cholesky factors; readings that are copies of each other get a little independent noise."""
    size = covariance.diagonal(dim1=-2, dim2=-1)
    floor = 1e-6 * size + 1e-9 * size.amax(-1, keepdim=True) + 1e-18
    return torch.linalg.inv(torch.linalg.cholesky(covariance + torch.diag_embed(floor)))


def whitened(readings: Tensor, which: Tensor, mean: Tensor, factors: Tensor) -> Tensor:
    """Residuals in coordinates in which they are uncorrelated with variance 1.

    Args:
        readings: (..., cells, rows).
        which: the history of each cell, (cells,).
        mean: (histories, rows).
        factors: inverse Cholesky factors, (histories, rows, rows).
    """
    return torch.einsum("cij,...cj->...ci", factors[which], readings - mean[which])


@torch.no_grad()
def simulate_cells(
    device: Device, plan: MeasurementPlan, copies: int, identity: int, noise_seed: int
) -> Tensor:  # (copies, cells, rows), float64
    """Readings of `copies` columns of cells that live through the plan.

    Raises:
        ValueError: the plan counts pulses and the device does not say how far a pulse goes.
    """
    step = (device.costs.step or 0.0) if plan.kind == "pulses" else 1.0
    if not step:
        raise ValueError(
            f"{type(device).__name__} does not say how far one pulse goes (costs.step); it is calibrated "
            "from a table with targets"
        )
    count = plan.actions.shape[0]
    cells = device.fabricate(count, 1, Fabrication((identity,), (), 0, copies, torch.empty(0)))
    cells = device.perturb(cells, -cells.knobs)
    actions = (plan.actions * step).to(torch.float32)
    rows = []
    for k, (wait, write, value) in enumerate(zip(plan.waits, plan.written, plan.inputs, strict=True)):
        drive = actions[:, k, None].expand(copies, count, 1)
        noise = Noise(stream(noise_seed, "calibrate", "cells", k))  # of its own, should a cell draw more
        if write:
            cells = device.pulse(device.perturb(cells, -cells.knobs), drive, noise)
        if wait:
            cells = device.age(cells, wait, noise)
        if plan.kind == "pulses":
            cells = device.pulse(cells, drive, noise)
        noise = Noise(stream(noise_seed, "calibrate", "reading", k))
        u = device.collect(cells, torch.full((copies, 1, 1), float(value)), noise)
        u = device.sense(cells, u, noise)
        rows.append((device.fire(cells, u, noise) if plan.shown == "activity" else u)[:, 0])
    return torch.stack(rows, -1).double()
