"""Laws of readings: whose noise is whose, whose memory, and the exact gradient."""

from typing import Any

import torch
from torch import Tensor

from .. import xray
from ..chip import Chip, propagate
from ..device import Device
from ..draw import Noise, stream
from ..layers import Layer
from ..port import Probe, Spec
from .verdict import close, copy, draw, fields, require, same


def noises(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """Every chip of a fleet and every probe has noise of its own, and a probe leaves no trace."""
    chip = Chip(device, layers, (1, 1))  # twins: alike but for their noise
    spec, noise = chip.spec, Noise(stream(0, "check"))
    for i, cells in enumerate(chip._cells):
        drive = (0.05 * draw(spec, "drive", *spec.shapes[i][1:])).expand(spec.shapes[i])
        for name, cell in device.pulse(cells, drive, noise)._asdict().items():
            quiet = getattr(device.pulse(cells, drive, Noise.silent()), name)
            shared = torch.equal(cell[0], cell[1]) and not torch.equal(cell, quiet)
            require(not shared, f"layer {i}: two chips of a fleet share their write noise (cells.{name})")
    for i in range(len(layers)):  # one layer at a time, so that noise of others cannot hide what is shared
        alone = spec.span(i, i)
        x = draw(spec, "x", 6, layers[i].features_in)
        knobs = torch.zeros(2, *spec.shapes[i], dtype=spec.dtype)
        nodes = torch.zeros(2, 2, 6, layers[i].features, dtype=spec.dtype)
        ways = {
            "a probe of knobs": (x, Probe(knobs=(knobs,))),
            "a probe of nodes": (x, Probe(nodes=(nodes,))),
            "x with probe axes": (x.expand(2, 2, *x.shape), Probe()),
        }
        for way, (sent, probe) in ways.items():
            held = copy(fields(chip, i))
            for stage, tap in _stages(device, alone, chip._cells[i], sent, probe, noise).items():
                _own_noise(tap, f"layer {i}: {stage}, {way}")
            for name, cell in fields(chip, i).items():
                same(cell, held[name], f"layer {i}: {way} changed cells.{name}")


def _stages(
    device: Device[Any], spec: Spec, cells: Any, x: Tensor, probe: Probe, noise: Noise
) -> dict[str, Tensor]:
    """A measurement of one layer with the noise of one device function at a time."""
    silent = Noise.silent()
    taps = {}
    for name in ("collect", "sense", "fire"):
        kept = _Loud(device, name, silent)
        taps[name] = propagate(kept, spec, (cells,), x, probe, noise)[0]
    return taps


class _Loud(Device[Any]):
    """A device of whose functions only one hears the noise."""

    def __init__(self, device: Device[Any], name: str, silent: Noise) -> None:
        self._device, self._name, self._silent = device, name, silent

    def fabricate(self, rows: int, cols: int, birth: Any) -> Any:
        return self._device.fabricate(rows, cols, birth)

    def pulse(self, cells: Any, drive: Tensor, noise: Noise) -> Any:
        return self._device.pulse(cells, drive, noise)

    def nudge(self, cells: Any, offset: Tensor) -> Any:
        return self._device.nudge(cells, offset)

    def collect(self, cells: Any, x: Tensor, noise: Noise) -> Tensor:
        return self._device.collect(cells, x, noise if self._name == "collect" else self._silent)

    def sense(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        return self._device.sense(cells, u, noise if self._name == "sense" else self._silent)

    def fire(self, cells: Any, u: Tensor, noise: Noise) -> Tensor:
        return self._device.fire(cells, u, noise if self._name == "fire" else self._silent)


def _own_noise(tap: Tensor, law: str) -> None:
    """tap (2 probes, 2 twins, batch, features): all alike (no noise here), or no two alike."""
    rows = tap.flatten(0, 1).flatten(1)
    distinct = rows.unique(dim=0).shape[0]
    require(distinct in (1, len(rows)), f"{law}: probes or chips of a fleet share their noise")


def memory(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """Editing what was read or sent must not reach the cells."""
    chip = Chip(device, layers, 2)
    port = chip.port()
    drive = tuple(torch.full(s, 0.01, dtype=chip.spec.dtype) for s in chip.spec.shapes)
    port.pulse(drive)
    x = draw(chip.spec, "x", 6, layers[0].features_in)
    cells = {
        cell.untyped_storage().data_ptr(): f"layer {i}: cells.{name}"
        for i in range(len(layers))
        for name, cell in fields(chip, i).items()
    }
    for tensor in (*drive, *port.measure(x).taps, x):
        shared = cells.get(tensor.untyped_storage().data_ptr())
        require(shared is None, f"{shared} shares memory with what went over the wires")
        require(not tensor.requires_grad, "a wire returned something with a gradient")


def gradients(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """Exact gradients agree with central differences of the silent chip."""
    chip = Chip(device, layers, 5, dtype=torch.float64)
    x = draw(chip.spec, "x", 3, layers[0].features_in)
    weights = draw(chip.spec, "target", 3, layers[-1].features)

    def loss(out: Tensor, target: Tensor) -> Tensor:
        return (out * target).sum(-1)

    size = 1e-5
    for kind, gradient in (
        (
            "knobs",
            tuple(3 * g for g in xray.knob_gradient(chip, x, weights, loss)),
        ),  # of the sum over examples
        ("nodes", xray.node_gradient(chip, x, weights, loss)),
    ):
        require(
            all(bool(torch.isfinite(g).all()) for g in gradient),
            f"the exact gradient at {kind} is not finite",
        )
        for i, g in enumerate(gradient):
            require(
                bool(g.any()), f"layer {i}: a probe of the {kind} changes nothing, so nothing can be learned"
            )
            way = draw(chip.spec, f"{kind}{i}", *g.shape)
            entries = tuple(size * way if j == i else None for j in range(len(layers)))
            against = tuple(-size * way if j == i else None for j in range(len(layers)))
            high, low = (
                loss(xray.respond(chip, x, Probe(**{kind: e})).out, weights).sum() for e in (entries, against)
            )
            close((high - low) / (2 * size), (g * way).sum(), 1e-4, f"layer {i}: slope at the {kind}")
