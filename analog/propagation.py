"""The physics of one measurement, layer by layer, and of what no pulse may do to cells."""

import cmath
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .device import Device, S
from .port import Probe
from .randomness import Noise
from .relaxation import settle
from .spec import BadInput, Spec


def propagate(
    device: Device[S], spec: Spec, cells: Sequence[S], x: Tensor, probe: Probe, noise: Noise
) -> tuple[Tensor, ...]:
    """The taps of one measurement of the layers in `spec`; every tap has the probe axes.

    Layers that relax do so together (`analog.relaxation`); otherwise signals go one way.

    A layer that no probe has touched yet is collected once for all probes, while its noise is drawn
    for each of them: exact, because what the probes share is deterministic.

    Args:
        cells: of each layer.
        x: (batch, features_in) or (*probes, *fleet, batch, features_in).

    Returns:
        The output of every layer, (*probes, *fleet, batch, features).
    """
    if device.settling:
        return settle(device, spec, cells, x, probe, noise)
    nothing = (None,) * len(spec.layers)
    offsets, pushes = probe.knobs or nothing, probe.nodes or nothing
    lead = probe.lead(spec, x)
    bare = len(spec.fleet) + 3  # axes of cells and of activity that carries no probe axes
    full = len(lead) + bare
    noise = noise.with_probe_axes(lead, full)
    taps = []
    for layer, layer_cells, offset, push in zip(spec.layers, cells, offsets, pushes, strict=True):
        z = layer.gather(x)
        if z.ndim < bare:
            z = z.expand(*spec.fleet, *z.shape[-3:])
        if offset is not None:
            layer_cells = device.perturb(layer_cells, offset)
            z = z.expand(*lead, *z.shape[-bare:])
        u = device.collect(layer_cells, z, noise)
        if push is not None:
            u = u + layer.unscatter(push)
        u = device.sense(layer_cells, u, noise)
        x = layer.scatter(u if layer.linear else device.fire(layer_cells, u, noise))
        taps.append(x if x.ndim == full - 1 else x.expand(*lead, *x.shape).clone())
    return tuple(taps)


def require_finite_clock(clock: float) -> None:
    """Pass on the time after a pulse, s, if it is finite.

    Raises:
        BadInput: it is not.
    """
    if not math.isfinite(clock):
        raise BadInput("pulse: a train that would never end; send a smaller drive; the chip is as it was")


def require_finite_cells(before: Sequence[Any], after: Sequence[Any]) -> None:
    """Pass on the cells that a pulse would leave, if they are finite.

    Args:
        before: the cells of each layer.
        after: likewise, after the pulse; a tensor that both share is not looked at.

    Raises:
        BadInput: they are not.
    """
    for i, (old, new) in enumerate(zip(before, after, strict=True)):
        if not _changed_is_finite(old, new):
            raise BadInput(
                f"layer {i}: pulse: refused, and the chip is as it was; send a smaller drive, for after "
                "this one a cell is not finite"
            )


def _changed_is_finite(old: Any, new: Any) -> bool:
    """Whether the tensors in a tree that are not the same objects in another hold finite numbers."""
    if isinstance(new, Tensor):
        if not (new.is_floating_point() or new.is_complex()):
            return True
        return cmath.isfinite(new.sum().item()) or bool(torch.isfinite(new).all())
    if new is None:
        return True
    # What is shared is passed over here and not by a further call: every pulse of every chip comes this way.
    return all(one is other or _changed_is_finite(one, other) for one, other in zip(old, new, strict=True))
