"""Means and covariances of a plan's readings, by letting the device itself live through the plan.

The same numbers are drawn for every setting of the parameters, so that moments change smoothly with them.
"""

import math
from collections.abc import Callable
from typing import Any
from typing import NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Fabrication
from ..randomness import Noise
from ..streams import stream
from .tables import Plan
from .tables import Table

AWAY = 2**40  # identities of the cells that are simulated lie this far from anybody's chips


class Moments(NamedTuple):
    """Of the readings of cells with each of the plan's histories, in the order of `Plan.histories`."""

    mean: Tensor  # (histories, rows), float64
    covariance: Tensor  # (histories, rows, rows), float64
    copies: float = math.inf  # simulated cells for each measured one; infinite for a closed form


Law = Callable[[Any, Plan], Moments]  # a device (or any dataclass of parameters) and a plan -> moments


def measured(device: Device[Any], plan: Plan, identity: int = 0, noise_seed: int = 0) -> Table:
    """The table that a lab would write down: the plan carried out on one simulated column of cells."""
    return Table(plan, lived(device, plan, 1, identity, noise_seed)[0])


def simulated(copies: int = 20, seed: int = 0) -> Law:
    """The law of any device: moments over `copies` times as many cells as the plan has."""

    def law(device: Device[Any], plan: Plan) -> Moments:
        return moments(lived(device, plan, copies, seed - AWAY, seed - AWAY), plan.histories[1])

    return law


def moments(readings: Tensor, which: Tensor) -> Moments:
    """Of readings (copies, cells, rows), over copies and over the cells of each history."""
    means, covariances = [], []
    for history in range(int(which.max()) + 1):
        own = readings[:, which == history].flatten(0, 1)
        means.append(own.mean(0))
        gap = own - means[-1]
        covariances.append(gap.mT @ gap / len(own))
    return Moments(torch.stack(means), torch.stack(covariances), readings.shape[0])


def whitener(covariance: Tensor) -> Tensor:  # (histories, rows, rows)
    """Inverse Cholesky factors; readings that are copies of each other get a little independent noise."""
    size = covariance.diagonal(dim1=-2, dim2=-1)
    floor = 1e-6 * size + 1e-9 * size.amax(-1, keepdim=True) + 1e-18
    return torch.linalg.inv(torch.linalg.cholesky(covariance + torch.diag_embed(floor)))


def whitened(readings: Tensor, which: Tensor, mean: Tensor, whiten: Tensor) -> Tensor:  # as readings
    """Residuals (..., cells, rows) in coordinates in which they are uncorrelated with variance 1."""
    return torch.einsum("cij,...cj->...ci", whiten[which], readings - mean[which])


@torch.no_grad()
def lived(device: Device[Any], plan: Plan, copies: int, identity: int, noise_seed: int) -> Tensor:
    """Readings (copies, cells, rows) of `copies` columns of cells with the plan's histories; float64.

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
    shown = []
    for k, (wait, write, given) in enumerate(zip(plan.waits, plan.written, plan.inputs, strict=True)):
        drive = actions[:, k, None].expand(copies, count, 1)
        noise = Noise(stream(noise_seed, "calibrate", "cells", k))  # of its own, should a cell draw more
        if write:
            cells = device.pulse(device.perturb(cells, -cells.knobs), drive, noise)
        if wait:
            cells = device.age(cells, wait, noise)
        if plan.kind == "pulses":
            cells = device.pulse(cells, drive, noise)
        noise = Noise(stream(noise_seed, "calibrate", "reading", k))
        u = device.collect(cells, torch.full((copies, 1, 1), float(given)), noise)
        u = device.sense(cells, u, noise)
        shown.append((device.fire(cells, u, noise) if plan.shown == "activity" else u)[:, 0])
    return torch.stack(shown, -1).double()
