"""The physics of one measurement of a chip that relaxes: its nodes settle together, up and down its layers.

Every node takes the state that its neighbors above and below make it take, one layer after the other, over
and over: for a reciprocal chip each such step is the exact minimum of its energy given the other layers
(coordinate descent, Scellier 2024, "A fast algorithm to simulate nonlinear resistive networks",
https://arxiv.org/abs/2402.11674), so that the energy never rises. The number of sweeps is fixed, as a clocked
reading waits a fixed time; an adaptive end would let the slowest example decide, and chips depend on their
fleet.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from .device import Device, S
from .layers.crossbar import Layer
from .port import Probe
from .precision import EXACT, Products
from .randomness import HeldNoise, Noise
from .spec import Spec


def settle(
    device: Device[S],
    spec: Spec,
    cells: Sequence[S],
    x: Tensor,
    probe: Probe,
    noise: Noise,
    sweeps: int | None = None,
    products: tuple[int, Products] = (0, EXACT),
) -> tuple[Tensor, ...]:
    """The taps of one measurement of the layers in `spec`, which relax together from rest.

    The noise of synapses is slow: one draw for a reading, the same in every sweep. What `sense` adds is read
    with the settled states and never comes back.

    Args:
        cells: of each layer.
        x: (batch, features_in) or (*probes, *fleet, batch, features_in), which clamps the nodes below.
        sweeps: through all layers; None: as many as the device waits for.
        products: the first of the layers, counted on its chip, and how the synapses multiply.

    Returns:
        The settled states of every layer, as sensed, (*probes, *fleet, batch, features).

    Raises:
        TypeError: the device relaxes, and has no `reflect`.
        ValueError: signals go one way through the wiring of a layer above the first.
    """
    chip = _Relaxing(device, spec, cells, x, probe, noise, products)
    for _ in range(device.settling if sweeps is None else sweeps):
        chip.sweep()
    return chip.sensed()


class _Relaxing:
    """The states of a chip's nodes during one measurement."""

    def __init__(
        self,
        device: Device[S],
        spec: Spec,
        cells: Sequence[S],
        x: Tensor,
        probe: Probe,
        noise: Noise,
        products: tuple[int, Products] = (0, EXACT),
    ) -> None:
        nothing = (None,) * len(spec.layers)
        lead = probe.lead(spec, x)
        bare = len(spec.fleet) + 3  # axes of cells and of activity that carries no probe axes
        self.device, self.layers = device, spec.layers
        (self.first, self.products), self.offsets = products, probe.knobs or nothing
        self.noise = noise.with_probe_axes(lead, len(lead) + bare)
        self.slow = HeldNoise(self.noise)
        self.pushes = probe.nodes or nothing
        self.cells = [
            c if offset is None else device.perturb(c, offset)
            for c, offset in zip(cells, probe.knobs or nothing, strict=True)
        ]
        shape = (*lead, *spec.fleet, x.shape[-2])
        self.states = [x.new_zeros(*shape, layer.features) for layer in spec.layers]
        self.loads = self._loads(x.shape[-2])
        driven = spec.layers[0].gather(x)
        if driven.ndim < bare:
            driven = driven.expand(*spec.fleet, *driven.shape[-3:])
        if self.pushes[0] is not None or (probe.knobs or nothing)[0] is not None:
            driven = driven.expand(*lead, *driven.shape[-bare:])
        with self._multiplying(0):
            self.clamped = device.collect(self.cells[0], driven, self.noise)  # x does not relax

    def sweep(self) -> None:
        """Let every layer take the state that its neighbors make it take."""
        self.slow.rewind()
        for at, layer in enumerate(self.layers):
            u, load = self._current(at), self._load(at)
            if load is not None:
                u = u / load
            if not layer.linear:
                u = self.device.fire(self.cells[at], u, self.slow)
            self.states[at] = layer.scatter(u).expand_as(self.states[at])

    def sensed(self) -> tuple[Tensor, ...]:
        """The taps."""
        return tuple(
            layer.scatter(self.device.sense(cells, layer.unscatter(state), self.noise))
            for layer, cells, state in zip(self.layers, self.cells, self.states, strict=True)
        )

    def _current(self, at: int) -> Tensor:
        """What flows into a layer's nodes from below, from above and from a probe, as its tiles see it."""
        layer, push = self.layers[at], self.pushes[at]
        u = self.clamped
        if at:
            x = layer.gather(self.states[at - 1])
            with self._multiplying(at):
                u = self.device.collect(self.cells[at], x, self.slow)
        if at + 1 < len(self.layers):
            above = self.layers[at + 1]
            y = above.unscatter(self.states[at + 1])
            with self._multiplying(at + 1, back=True):
                back = self.device.reflect(self.cells[at + 1], y, self.slow)
            if back is None:
                raise TypeError(f"{type(self.device).__name__} relaxes, and its `reflect` gives nothing back")
            u = u + layer.unscatter(above.ungather(back))
        return u if push is None else u + layer.unscatter(push)

    def _multiplying(self, at: int, *, back: bool = False) -> AbstractContextManager[Any]:
        """Within which a layer's synapses multiply, on the way up or back."""
        number = self.first + at
        return self.products.at(~number if back else number, keep=self.offsets[at] is None)

    def _load(self, at: int) -> Tensor | None:
        """The conductance on a layer's nodes at their present states, as its tiles see it."""
        layer, device, state = self.layers[at], self.device, self.states[at]
        load = device.chord_above(self.cells[at], layer.unscatter(state))
        if load is None:
            return self.loads[at]
        if at + 1 < len(self.layers):
            above = self.layers[at + 1]
            back = device.chord_below(self.cells[at + 1], above.gather(state))
            load = load if back is None else load + layer.unscatter(above.ungather(back))
        return _not_zero(load)

    def _loads(self, examples: int) -> list[Tensor | None]:
        """The conductance on every layer's nodes, as its tiles see it; None where there is none."""
        shunts = [self.device.shunt(cells) for cells in self.cells]
        loads: list[Tensor | None] = []
        for at, (layer, shunt) in enumerate(zip(self.layers, shunts, strict=True)):
            if shunt is None:
                loads.append(None)
                continue
            load = layer.scatter(_at_sites(layer, shunt[0]))  # (..., 1, features)
            below = shunts[at + 1] if at + 1 < len(shunts) else None
            if below is not None:
                above = self.layers[at + 1]
                load = load + above.ungather(_at_sites(above, below[1]))
            loads.append(_not_zero(layer.unscatter(load.expand(*load.shape[:-2], examples, -1))))
        return loads


def _not_zero(load: Tensor) -> Tensor:
    """Loads of which none is 0: a node that nothing is joined to is as free as an amplifier's."""
    return torch.where(load == 0, torch.ones_like(load), load)


def _at_sites(layer: Layer, load: Tensor) -> Tensor:
    """What one tile lays on its nodes, (..., tiles, 1, n), at every site where it is used."""
    sites = layer.features // (layer.tiles * layer.rows)
    return load.expand(*load.shape[:-2], sites, -1)


def unsettled(device: Device[S], spec: Spec, cells: Sequence[S], x: Tensor, sweeps: int = 300) -> Tensor:
    """How far the output is from where it would settle in the end, relative to it, without noise: (*fleet,).

    Of two ends, one sweep apart, the farther one counts, so that a chip that swings is told.

    Args:
        cells: of each layer.
        x: (..., batch, features_in).
        sweeps: that are as good as no end.
    """
    chip, shown = _Relaxing(device, spec, cells, x, Probe(), Noise.none()), {}
    counts = (device.settling, sweeps, sweeps + 1)
    for count in range(1, max(counts) + 1):
        chip.sweep()
        if count in counts:
            shown[count] = chip.sensed()[-1]
    read, *ends = (shown[count] for count in counts)
    tiny = torch.finfo(read.dtype).tiny
    away = [(read - end).square().sum((-2, -1)) / (end.square().sum((-2, -1)) + tiny) for end in ends]
    return torch.maximum(*away).sqrt()
