"""The physics of one measurement, layer by layer, and of what no pulse may do to cells."""

import cmath
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch import Tensor

from .device import Device, S, stated_weights
from .layers.crossbar import Layer
from .layers.recurrence import feed_back, join_steps, split_steps
from .port import Probe
from .precision import EXACT, Products
from .randomness import Noise
from .relaxation import settle
from .spec import BadInput, Spec


class LastSums:
    """The sums that a chip's first driven layer collected last, for a reading that asks for them again.

    Probes at nodes leave the product in front of them as it was in the baseline reading. Sums are given again
    only where the cells are the same object, every input is equal and no noise was drawn for them: they
    cannot be told from sums that are collected anew.
    """

    def __init__(self) -> None:
        self._kept: tuple[Any, Tensor, Tensor] | None = None

    def collect(
        self,
        device: Device[S],
        layer: Layer,
        cells: S,
        x: Tensor,
        fleet: tuple[int, ...],
        noise: Noise,
        products: AbstractContextManager[Any],
    ) -> Tensor:
        """The sums of a layer's cells in a measurement of this noise.

        Args:
            x: (batch, features_in) or (*probes, *fleet, batch, features_in), what drives the layer.
            products: within which the synapses multiply.

        Returns:
            (*probes, *fleet, tiles, n, rows).
        """
        weights = regular_weights(device, layer, cells)
        if weights is not None:
            self.forget()
            with products:
                return layer.multiply(x, weights)
        z = layer.gather(x)
        if self._kept is not None and self._kept[0] is cells and _is_equal(self._kept[1], z):
            return self._kept[2]
        with products:
            sums = device.collect(cells, _of_fleet(z, fleet), noise)
        copied = _memory(z) != _memory(x)  # who sent x may write on it
        self._kept = (cells, z, sums) if copied and not noise.drawn else None
        return sums

    def holds(self, tap: Tensor) -> bool:
        """Whether a tap of any shape shares memory with what is kept, as where amplifiers do nothing."""
        return self._kept is not None and _memory(self._kept[2]) == _memory(tap)

    def forget(self) -> None:
        """Give back the memory; the cells have changed."""
        self._kept = None


def propagate(
    device: Device[S],
    spec: Spec,
    cells: Sequence[S],
    x: Tensor,
    probe: Probe,
    noise: Noise,
    last: LastSums | None = None,
    products: tuple[int, Products] = (0, EXACT),
) -> tuple[Tensor, ...]:
    """The taps of one measurement of the layers in `spec`; every tap has the probe axes.

    Layers that relax do so together (`analog.relaxation`); otherwise signals go one way.

    A layer that no probe has touched yet is collected once for all probes, while its noise is drawn
    for each of them: exact, because what the probes share is deterministic.

    Args:
        cells: of each layer.
        x: (batch, features_in) or (*probes, *fleet, batch, features_in).
        last: of the same device's earlier measurements.
        products: the first of the layers, counted on its chip, and how the synapses multiply.

    Returns:
        The output of every layer, (*probes, *fleet, batch, features).
    """
    if device.settling:
        return settle(device, spec, cells, x, probe, noise, products=products)
    nothing = (None,) * len(spec.layers)
    offsets, pushes = probe.knobs or nothing, probe.nodes or nothing
    lead = probe.lead(spec, x)
    bare = len(spec.fleet) + 3  # axes of cells and of activity that carries no probe axes
    full = len(lead) + bare
    noise = noise.with_probe_axes(lead, full)
    taps: list[Tensor] = []
    first, multiplying = products
    each = zip(spec.layers, cells, offsets, pushes, strict=True)
    for at, (layer, layer_cells, offset, push) in enumerate(each, first):
        rounding = partial(multiplying.at, at, keep=offset is None)
        if offset is not None:
            layer_cells = device.perturb(layer_cells, offset)
        own, pushed = lead if offset is not None else (), None if push is None else layer.unscatter(push)
        if layer.step is not None:
            z = _columns(layer, x, spec.fleet, own)
            u = _step_by_step(device, layer, layer.step, layer_cells, z, pushed, noise, rounding)
        else:
            if last is not None and offset is None and not taps:
                u = last.collect(device, layer, layer_cells, x, spec.fleet, noise, rounding())
            else:
                with rounding():
                    u = _collect(device, layer, layer_cells, x, spec.fleet, own, noise)
            u = _activity(device, layer, layer_cells, u, pushed, noise)
        x = layer.scatter(u)
        if last is not None and last.holds(x):
            x = x.clone()  # who reads a tap may write on it
        taps.append(x if x.ndim == full - 1 else x.expand(*lead, *x.shape).clone())
    return tuple(taps)


def _is_equal(before: Tensor, now: Tensor) -> bool:
    """Whether two tensors hold the same bits, looked at eight bytes at a time where they lie so."""
    if before.shape == now.shape and _is_of_pairs(before) and _is_of_pairs(now):
        before, now = (each.view(-1).view(torch.int64) for each in (before, now))
    return torch.equal(before, now)


def _is_of_pairs(tensor: Tensor) -> bool:
    return tensor.is_contiguous() and tensor.numel() % 2 == 0 == tensor.storage_offset() % 2


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def regular_weights(device: Device[S], layer: Layer, cells: S) -> Tensor | None:
    """The weights (*probes, *fleet, tiles, rows, cols) of a layer that need not gather; else None."""
    return stated_weights(device, cells) if layer.regular else None


def _collect(
    device: Device[S],
    layer: Layer,
    cells: S,
    x: Tensor,
    fleet: tuple[int, ...],
    lead: tuple[int, ...],
    noise: Noise,
) -> Tensor:
    """The sums of a layer's cells, which have the probe axes `lead`."""
    weights = regular_weights(device, layer, cells)
    if weights is not None:
        return layer.multiply(x, weights)
    return device.collect(cells, _columns(layer, x, fleet, lead), noise)


def _columns(layer: Layer, x: Tensor, fleet: tuple[int, ...], lead: tuple[int, ...]) -> Tensor:
    """What drives the tiles of every chip, with the probe axes `lead`."""
    z = _of_fleet(layer.gather(x), fleet)
    return z.expand(*lead, *z.shape[-len(fleet) - 3 :]) if lead else z


def _step_by_step(
    device: Device[S],
    layer: Layer,
    step: Layer,
    cells: S,
    z: Tensor,
    push: Tensor | None,
    noise: Noise,
    rounding: Callable[[], AbstractContextManager[Any]],
) -> Tensor:
    """What the tiles of a layer with a state give, (..., tiles, n, rows), one step after another.

    z: (..., tiles, n, cols), what comes in; push: (..., tiles, n, rows).
    """
    columns = split_steps(layer, z)
    pushes = (None,) * len(columns) if push is None else split_steps(layer, push)
    given: list[Tensor] = []
    for driven, pushed in zip(columns, pushes, strict=True):
        if given:
            driven = driven + feed_back(step, step.scatter(given[-1]))
        with rounding():
            u = device.collect(cells, driven, noise)
        given.append(_activity(device, layer, cells, u, pushed, noise))
    return join_steps(layer, given)


def _activity(
    device: Device[S], layer: Layer, cells: S, u: Tensor, push: Tensor | None, noise: Noise
) -> Tensor:
    """What the sums of a layer's tiles, (..., tiles, n, rows), become behind amplifiers and neurons."""
    u = device.sense(cells, u if push is None else u + push, noise)
    return u if layer.linear else device.fire(cells, u, noise)


def _of_fleet(z: Tensor, fleet: tuple[int, ...]) -> Tensor:
    """What drives the tiles of every chip, ([*probes,] *fleet, tiles, n, cols); all may get the same."""
    return z.expand(*fleet, *z.shape[-3:]) if z.ndim < len(fleet) + 3 else z


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
