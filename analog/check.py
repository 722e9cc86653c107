"""The contract every device must keep, ours and the user's: `check_device(MyDevice())`."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import xray
from .chip import Chip
from .device import Device
from .draw import Noise, stream
from .layers import Layer, conv2d, dense, grouped
from .port import Probe, Spec

_WIRINGS: tuple[tuple[Layer, ...], ...] = (
    (dense(5, 4), dense(4, 3, linear=True)),
    (conv2d((2, 4, 4), 4, 2, stride=2, groups=[[0], [1]]), grouped(16, 6, 2), dense(6, 3, linear=True)),
)


class Broken(AssertionError):
    """A device breaks the contract; the message says which law, and by how much."""


def check_device(device: Device[Any]) -> None:
    """Raise `Broken` unless a device keeps every law of the Device protocol.

    Laws: no function alters its arguments; shapes follow the leading axes; outputs are finite; the
    same identity is the same chip and another is another; a fleet's row is the lone chip, bitwise at
    birth and to rounding in its silent response; a pulse of zero changes nothing; a probe leaves the
    cells bitwise unchanged and its noise is drawn for each probe; nothing read or sent shares memory
    with cells; the exact gradient agrees with central differences of the silent chip; torch's global
    generator is left alone.
    """
    before = torch.get_rng_state()
    for layers in _WIRINGS:
        _births(device, layers)
        _purity(device, layers)
        _rows(device, layers)
        _probes(device, layers)
        _memory(device, layers)
        _gradients(device, layers)
    _require(
        torch.equal(before, torch.get_rng_state()),
        "the global torch generator was used; draw from `birth` and `noise` only",
    )


def _births(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    alone, again, other = (Chip(device, layers, i, dtype=torch.float64) for i in (3, 3, 4))
    fleet = Chip(device, layers, range(5), dtype=torch.float64)
    differs = False
    for i, layer in enumerate(layers):
        for name, cell in _fields(alone, i).items():
            where = f"layer {i}: cells.{name}"
            _require(bool(torch.isfinite(cell).all()), f"{where} is not finite at birth")
            _same(_fields(again, i)[name], cell, f"{where}: the same identity gave another chip")
            _same(_fields(fleet, i)[name][3], cell, f"{where}: row 3 of a fleet is not chip 3")
            differs = differs or not torch.equal(_fields(other, i)[name], cell)
        shape = (layer.tiles, layer.rows, layer.cols)
        knobs = alone._cells[i].knobs
        _require(
            tuple(knobs.shape) == shape, f"layer {i}: cells.knobs is {tuple(knobs.shape)}, wanted {shape}"
        )
    _require(differs, "chips 3 and 4 are the same; draw what differs between chips from `birth`")


def _rows(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """A fleet's row responds as the lone chip does."""
    alone, fleet = (
        Chip(device, layers, 3, dtype=torch.float64),
        Chip(device, layers, range(5), dtype=torch.float64),
    )
    x = _draw(alone.spec, "x", 6, layers[0].features_in)
    pairs = zip(xray.respond(alone, x).taps, xray.respond(fleet, x).taps, strict=True)
    for i, (lone, row) in enumerate(pairs):
        _close(row[3], lone, 1e-9, f"layer {i}: row 3 of a fleet does not respond as chip 3 alone")


def _purity(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """Call each function with everything it is given, and see that it altered none of it."""
    chip = Chip(device, layers, range(2))
    for i in range(len(layers)):
        _pure_layer(device, chip, i)


def _pure_layer(device: Device[Any], chip: Chip[Any], i: int) -> None:
    cells, layer, noise = chip._cells[i], chip.spec.layers[i], Noise(stream(0, "check"))
    x = _draw(chip.spec, "x", 2, layer.tiles, 6, layer.cols)
    u = _draw(chip.spec, "u", 2, layer.tiles, 6, layer.rows)
    drive = 0.01 * _draw(chip.spec, "drive", *cells.knobs.shape)
    wide = 0.01 * _draw(chip.spec, "wide", 3, *cells.knobs.shape)
    calls: dict[str, tuple[Callable[[Tensor], Tensor], Tensor, Tensor]] = {  # call, what is sent, shape as
        "pulse": (lambda d: device.pulse(cells, d, noise).knobs, drive, drive),
        "nudge": (lambda d: device.nudge(cells, d).knobs, wide, wide),
        "age": (lambda d: device.age(cells, 1.0, noise).knobs, drive, drive),
        "collect": (lambda v: device.collect(cells, v, noise), x, u),
        "sense": (lambda v: device.sense(cells, v, noise), u, u),
        "fire": (lambda v: device.fire(cells, v, noise), u, u),
    }
    for name, (call, sent, like) in calls.items():
        given = {**_copy(_fields(chip, i)), "what was sent": sent.clone()}
        out, wanted = call(sent), tuple(like.shape)
        _require(tuple(out.shape) == wanted, f"layer {i}: {name} gave {tuple(out.shape)}, wanted {wanted}")
        _require(bool(torch.isfinite(out).all()), f"layer {i}: {name} gave values that are not finite")
        for field, after in {**_fields(chip, i), "what was sent": sent}.items():
            _same(after, given[field], f"layer {i}: {name} altered {field}; device functions are pure")
    still = device.pulse(cells, torch.zeros_like(drive), noise)
    for field, cell in cells._asdict().items():
        _same(getattr(still, field), cell, f"layer {i}: a pulse of zero changed cells.{field}")


def _probes(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """A probe passes without trace, and every probe is a measurement with noise of its own."""
    probed, plain = Chip(device, layers, 1), Chip(device, layers, 1)
    x = _draw(probed.spec, "x", 6, layers[0].features_in)
    knobs = tuple(0.1 * _draw(probed.spec, "knobs", 2, *s) for s in probed.spec.shapes)
    nodes = tuple(0.1 * _draw(probed.spec, "nodes", 2, 6, la.features) for la in layers)
    port = probed.port()
    for kind, probe in (("knobs", Probe(knobs=knobs)), ("nodes", Probe(nodes=nodes))):
        reading = port.measure(x, probe)
        plain.port().measure(x.expand(2, *x.shape))  # the same time passes
        for i in range(len(layers)):
            _require(
                tuple(reading.taps[i].shape) == (2, 6, layers[i].features),
                f"layer {i}: a probe of {kind} read {tuple(reading.taps[i].shape)}",
            )
            for name, cell in _fields(plain, i).items():
                _same(_fields(probed, i)[name], cell, f"layer {i}: a probe of {kind} changed cells.{name}")
    alike = torch.zeros(2, *probed.spec.shapes[0])
    out = port.measure(x, Probe(knobs=(alike, *[None] * (len(layers) - 1)))).taps[0]
    twice = torch.equal(port.measure(x).taps[0], port.measure(x).taps[0])
    _require(twice or not torch.equal(out[0], out[1]), "two probes of one measurement shared their noise")


def _memory(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """Editing what was read or sent must not reach the cells."""
    chip = Chip(device, layers, 2)
    port = chip.port()
    drive = tuple(torch.full(s, 0.01) for s in chip.spec.shapes)
    port.pulse(drive)
    x = _draw(chip.spec, "x", 6, layers[0].features_in)
    cells = {
        cell.untyped_storage().data_ptr(): f"layer {i}: cells.{name}"
        for i in range(len(layers))
        for name, cell in _fields(chip, i).items()
    }
    for tensor in (*drive, *port.measure(x).taps, x):
        shared = cells.get(tensor.untyped_storage().data_ptr())
        _require(shared is None, f"{shared} shares memory with what went over the wires")
        _require(not tensor.requires_grad, "a wire returned something with a gradient")


def _gradients(device: Device[Any], layers: tuple[Layer, ...]) -> None:
    """Exact gradients against central differences along random directions, on a silent copy."""
    chip = Chip(device, layers, 5, dtype=torch.float64)
    x = _draw(chip.spec, "x", 3, layers[0].features_in)
    weights = _draw(chip.spec, "target", 3, layers[-1].features)

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
        _require(
            all(bool(torch.isfinite(g).all()) for g in gradient),
            f"the exact gradient at {kind} is not finite",
        )
        for i, g in enumerate(gradient):
            _require(
                bool(g.any()), f"layer {i}: a probe of the {kind} changes nothing, so nothing can be learned"
            )
            way = _draw(chip.spec, f"{kind}{i}", *g.shape)
            entries = tuple(size * way if j == i else None for j in range(len(layers)))
            against = tuple(-size * way if j == i else None for j in range(len(layers)))
            high, low = (
                loss(xray.respond(chip, x, Probe(**{kind: e})).out, weights).sum() for e in (entries, against)
            )
            _close((high - low) / (2 * size), (g * way).sum(), 1e-4, f"layer {i}: slope at the {kind}")


def _draw(spec: Spec, name: str, *shape: int) -> Tensor:
    made = torch.randn(shape, generator=stream(0, "check", name), dtype=torch.float64)
    return made.to(spec.dtype)


def _fields(chip: Chip[Any], layer: int) -> dict[str, Tensor]:
    held: dict[str, Tensor] = chip._cells[layer]._asdict()
    return held


def _copy(fields: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: cell.clone() for name, cell in fields.items()}


def _require(kept: bool, law: str) -> None:
    if not kept:
        raise Broken(law)


def _same(a: Tensor, b: Tensor, law: str) -> None:
    if a.shape != b.shape or not torch.equal(a, b):
        far = (
            f"by up to {(a - b).abs().max():.3g}"
            if a.shape == b.shape
            else f"{tuple(a.shape)}, {tuple(b.shape)}"
        )
        raise Broken(f"{law} ({far})")


def _close(a: Tensor, b: Tensor, tolerance: float, law: str) -> None:
    gap, scale = float((a - b).abs().max()), float(b.abs().max())
    if not gap <= tolerance * max(scale, 1e-3):
        raise Broken(f"{law}: differs by {gap:.3g} at a scale of {scale:.3g}, tolerated {tolerance:g} of it")
