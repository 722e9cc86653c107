"""Laws of the cells: birth, purity, rows of a fleet, pulses, and histories."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .. import xray
from ..chip import Chip
from ..device import Device
from ..layers.crossbar import Layer
from ..randomness import Noise
from ..streams import stream
from ..tree import tree_leaves
from .assertions import cell_fields, clone_fields, draw, require, require_close, require_equal


def check_fabrication(device: Device, layers: tuple[Layer, ...]) -> None:
    """Cells are a NamedTuple of finite tensors, the same for the same identity, alone or in a fleet."""
    alone, again, other = (Chip(device, layers, i, dtype=torch.float64) for i in (3, 3, 4))
    fleet = Chip(device, layers, range(5), dtype=torch.float64)
    differs = False
    for i, layer in enumerate(layers):
        shape = (layer.tiles, layer.rows, layer.cols)
        knobs = alone._cells[i].knobs
        require(
            tuple(knobs.shape) == shape, f"layer {i}: cells.knobs is {tuple(knobs.shape)}, wanted {shape}"
        )
        for name, cell in cell_fields(alone, i).items():
            where = f"layer {i}: cells.{name}"
            require(isinstance(cell, Tensor), f"{where} is {type(cell).__name__}, wanted a tensor")
            require(
                cell.ndim <= 3, f"{where} has {cell.ndim} axes for one chip, wanted at most (tiles, a, b)"
            )
            require(bool(torch.isfinite(cell).all()), f"{where} is not finite at birth")
            require_equal(cell_fields(again, i)[name], cell, f"{where}: the same identity gave another chip")
            require_equal(cell_fields(fleet, i)[name][3], cell, f"{where}: row 3 of a fleet is not chip 3")
            differs = differs or not torch.equal(cell_fields(other, i)[name], cell)
    require(differs, "chips 3 and 4 are the same; draw what differs between chips from `birth`")


def check_purity(device: Device, layers: tuple[Layer, ...]) -> None:
    """Device functions are pure, and give what they are asked for in shape and dtype."""
    chip = Chip(device, layers, range(2))
    for i in range(len(layers)):
        _pure_layer(device, chip, i)


def _pure_layer(device: Device, chip: Chip, i: int) -> None:
    cells, layer, noise = chip._cells[i], chip.spec.layers[i], Noise(stream(0, "check"))
    x = draw(chip.spec, "x", 2, layer.tiles, 6, layer.cols)
    u = draw(chip.spec, "u", 2, layer.tiles, 6, layer.rows)
    drive = 0.01 * draw(chip.spec, "drive", *cells.knobs.shape)
    wide = 0.01 * draw(chip.spec, "wide", 3, *cells.knobs.shape)
    calls: dict[str, tuple[Callable[[Tensor], Tensor], Tensor, Tensor]] = {  # call, what is sent, shape as
        "pulse": (lambda d: device.pulse(cells, d, noise).knobs, drive, drive),
        "perturb": (lambda d: device.perturb(cells, d).knobs, wide, wide),
        "age": (lambda d: device.age(cells, 1.0, noise).knobs, drive, drive),
        "collect": (lambda v: device.collect(cells, v, noise), x, u),
        "sense": (lambda v: device.sense(cells, v, noise), u, u),
        "fire": (lambda v: device.fire(cells, v, noise), u, u),
    }
    for name, (call, sent, like) in calls.items():
        before = {**clone_fields(cell_fields(chip, i)), "what was sent": sent.clone()}
        out, wanted = call(sent), tuple(like.shape)
        require(tuple(out.shape) == wanted, f"layer {i}: {name} gave {tuple(out.shape)}, wanted {wanted}")
        require(out.dtype == like.dtype, f"layer {i}: {name} gave {out.dtype}, wanted {like.dtype}")
        require(bool(torch.isfinite(out).all()), f"layer {i}: {name} gave values that are not finite")
        for field, after in {**cell_fields(chip, i), "what was sent": sent}.items():
            require_equal(
                after, before[field], f"layer {i}: {name} altered {field}; device functions are pure"
            )


def check_fleet_rows(device: Device, layers: tuple[Layer, ...]) -> None:
    """A fleet's row responds, and moves when pulsed, as the lone chip does."""
    alone, fleet = (Chip(device, layers, who, dtype=torch.float64) for who in (3, range(5)))
    x = draw(alone.spec, "x", 6, layers[0].features_in)
    pairs = zip(xray.respond(alone, x).taps, xray.respond(fleet, x).taps, strict=True)
    for i, (lone, row) in enumerate(pairs):
        require_close(row[3], lone, 1e-9, f"layer {i}: row 3 of a fleet does not respond as chip 3 alone")
    for i, (lone, row) in enumerate(zip(alone._cells, fleet._cells, strict=True)):
        drive = 0.05 * draw(alone.spec, "drive", *row.knobs.shape)
        one = device.pulse(lone, drive[3], Noise.none()).knobs
        require_close(
            device.pulse(row, drive, Noise.none()).knobs[3],
            one,
            1e-9,
            f"layer {i}: pulsed in a fleet, row 3 does not move as chip 3 pulsed alone",
        )


def check_pulses(device: Device, layers: tuple[Layer, ...]) -> None:
    """Pulses and nudges move the knobs the way they are told."""
    chip = Chip(device, layers, 1, dtype=torch.float64)
    no_noise = Noise.none()
    for i, (cells, layer) in enumerate(zip(chip._cells, layers, strict=True)):
        drive = 0.05 * draw(chip.spec, "drive", *cells.knobs.shape)
        nudged = device.perturb(cells, drive).knobs - cells.knobs
        require_close(
            nudged, drive, 1e-9, f"layer {i}: perturb(cells, offset) does not add the offset to the knobs"
        )
        pushed = device.pulse(cells, drive, no_noise)
        moved = ((pushed.knobs - cells.knobs) * drive).sum() / drive.square().sum()
        require(
            float(moved) > 0.01,
            f"layer {i}: on average a pulse moves the knobs by {float(moved):.3g} of what it is told",
        )
        x = draw(chip.spec, "x", layer.tiles, 6, layer.cols)
        stale = device.collect(pushed, x, no_noise)
        fresh = device.collect(device.perturb(pushed, torch.zeros_like(drive)), x, no_noise)
        require_close(
            stale,
            fresh,
            1e-9,
            f"layer {i}: after a pulse the response is stale; knobs moved, weights did not",
        )
        still = device.pulse(cells, torch.zeros_like(drive), Noise(stream(0, "check")))
        for field, cell in tree_leaves(still).items():
            require_equal(
                cell, tree_leaves(cells)[field], f"layer {i}: a pulse of zero changed cells.{field}"
            )


def check_histories(device: Device, layers: tuple[Layer, ...]) -> None:
    """The same chip, noise seed and history are bitwise the same; readings fit the wires."""
    chips = [Chip(device, layers, range(2)) for _ in range(2)]
    for chip in chips:
        for name in ("first", "second"):
            chip.port().pulse(tuple(0.05 * draw(chip.spec, name, *s) for s in chip.spec.shapes))
        for tap in chip.port().measure(draw(chip.spec, "x", 6, layers[0].features_in)).taps:
            require(tap.dtype == chip.spec.dtype, f"a tap is {tap.dtype}, the wires carry {chip.spec.dtype}")
    for i in range(len(layers)):
        for name, cell in cell_fields(chips[0], i).items():
            law = f"layer {i}: cells.{name} differs between two chips of the same identity and history"
            require_equal(cell_fields(chips[1], i)[name], cell, law)


def check_aging(device: Device, layers: tuple[Layer, ...]) -> None:
    """Ageing runs along the clock: two waits are one long one, no time changes nothing, all stays finite."""
    chip = Chip(device, layers, 1, dtype=torch.float64)
    for i, cells in enumerate(chip._cells):
        x = draw(chip.spec, "x", layers[i].tiles, 6, layers[i].cols)

        def shown(layer_cells: Any, x: Tensor = x) -> Tensor:
            return device.collect(layer_cells, x, Noise.none())

        noise = _RecordingSilence()
        once = device.age(cells, 4e3, noise)
        zeros = torch.zeros_like(cells.knobs)
        law = f"layer {i}: after ageing the response is stale; knobs drifted, weights did not"
        require_close(shown(once), shown(device.perturb(once, zeros)), 1e-9, law)
        for name, cell in tree_leaves(device.age(cells, 1e9, Noise(stream(0, "check")))).items():
            require(bool(torch.isfinite(cell).all()), f"layer {i}: after 1e9 s cells.{name} is not finite")
        if noise.uniform_asked:  # a switch that is thrown by chance has no course of its own
            continue
        law = f"layer {i}: age(cells, 0) changes the response"
        require_close(shown(device.age(cells, 0.0, Noise.none())), shown(cells), 1e-9, law)
        twice = device.age(device.age(cells, 1e3, Noise.none()), 3e3, Noise.none())
        law = (
            f"layer {i}: ageing by 1000 s and then 3000 s is not ageing by 4000 s; keep the age in the cells"
        )
        require_close(shown(twice), shown(once), 1e-6, law)


class _RecordingSilence(Noise):
    """Silent noise that remembers whether a uniform was asked for."""

    def __init__(self) -> None:
        super().__init__(None)
        self.uniform_asked = False

    def uniform(self, like: Tensor) -> Tensor:
        self.uniform_asked = True
        return super().uniform(like)
