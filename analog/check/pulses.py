"""Laws of writing: pulses move knobs as told, those of zero not at all, and the hugest keep to the bounds."""

from collections.abc import Iterator
from typing import Any, Final

import torch
from torch import Tensor

from ..chip import Chip
from ..randomness import Noise
from ..tree import tree_leaves
from .assertions import cell_fields, require, require_close, require_equal
from .trial import Bench, Trial, copies, first_of

_SIZES: Final = (0.05, 0.5, 2.0)  # of drives
_OFFSETS: Final = (1e-3, 0.05, 3.0, 1e3)  # of probes
_COPIES: Final = 333  # of a fleet, for what is rare
_FEW: Final = 7  # of a fleet, for a mean


def check_probes(trial: Trial) -> None:
    """A probe of the knobs adds what it is told, of any size and at any age, on every chip for itself."""
    for bench in trial.benches():
        _probed(trial, f"{bench.name}: perturb(cells, offset)", bench.cells)
        drive = trial.like("drive", bench.cells.knobs, 2.0)
        used = trial.device.pulse(bench.cells, drive, trial.noise("used"))
        late = trial.device.age(used, 1e5, trial.noise("aged"))
        _probed(trial, f"{bench.name}: after a pulse and 1e5 s perturb(cells, offset)", late)


def _probed(trial: Trial, where: str, cells: Any) -> None:
    for size in _OFFSETS:
        law = f"{where} does not add the offset to the knobs, of size {size:g}"
        offset = trial.like("offset", cells.knobs.expand(2, *cells.knobs.shape), size)
        for probed, told in (
            (cells, offset),
            (cells, first_of(offset)),
            (first_of(cells), first_of(offset.movedim(1, 0))),
            (cells, offset.unsqueeze(0)),
        ):
            added = trial.device.perturb(probed, told).knobs - probed.knobs
            require_close(added, told, 1e-9, law)


def check_pulses(trial: Trial) -> None:
    """Pulses move the knobs the way they are told, with noise and without, early and late.

    One way they may do nothing, as where a cell is only ever set.
    """
    for bench in trial.benches():
        few = copies(bench.cells, _FEW)
        aged = trial.device.age(few, 1e5, trial.noise("aged"))
        states = {
            "": (bench.cells, Noise.none()),
            ", with noise,": (few, trial.noise("pulsed")),
            ", after 1e5 s,": (aged, trial.noise("late")),
        }
        for when, (cells, noise) in states.items():
            up, down = ([_share(trial, cells, sign * s, noise) for s in _SIZES] for sign in (1.0, -1.0))
            both = [(one + other) / 2 for one, other in zip(up, down, strict=True)]
            for way, moved, least in (
                ("upwards", up, -0.01),
                ("downwards", down, -0.01),
                ("both ways", both, 0.01),
            ):
                shares, sizes = ", ".join(f"{share:.3g}" for share in moved), ", ".join(map(str, _SIZES))
                require(
                    min(moved[1:]) > least and moved[0] > -0.01,
                    f"{bench.name}: pulses {way} of {sizes}{when} move the knobs by {shares} of what "
                    "they are told, on average; a pulse changes the knobs by about its drive",
                )


def _share(trial: Trial, cells: Any, size: float, noise: Noise) -> float:
    """How much of a drive the knobs follow, on average."""
    drive = trial.like("drive", cells.knobs).abs() * size
    pushed = trial.device.pulse(cells, drive, noise)
    return float(((pushed.knobs - cells.knobs) * drive).sum() / drive.square().sum())


def check_zero_pulses(trial: Trial) -> None:
    """A pulse of 0, or of -0.0, changes nothing, and a cell that is not driven keeps its knob."""
    for dtype in (torch.float32, torch.float64):
        for bench in trial.benches(dtype):
            for cells in (bench.cells, first_of(bench.cells)):
                for noise in (Noise.none(), trial.noise("zero")):
                    _still(trial, bench, cells, torch.zeros_like(cells.knobs), noise)
    for bench in trial.benches(torch.float32):
        cells = copies(bench.cells, _COPIES)
        zero = torch.zeros_like(cells.knobs)
        zero[::2] = -0.0
        for k in range(2):
            _still(trial, bench, cells, zero, trial.noise(f"zero {k}"))
        noise = trial.noise("used")
        far = trial.device.pulse(bench.cells, trial.like("far", bench.cells.knobs, 2.0), noise)
        for used in (far, trial.device.age(far, 3.0, noise), trial.device.age(far, 1e7, noise)):
            _still(trial, bench, used, zero[: len(used.knobs)], noise)
        if not trial.uncoupled("cells"):
            continue
        drive = trial.like("drive", cells.knobs, 0.1)
        drive[..., ::2] = 0.0
        drive[..., ::2, :].neg_()  # one in four is -0.0
        held = drive == 0
        pulsed = trial.device.pulse(cells, drive, trial.noise("half zero"))
        moved = (pulsed.knobs != cells.knobs) & held
        require(
            not bool(moved.any()),
            f"{bench.name}: a pulse moved {int(moved.sum())} of {int(held.sum())} cells whose drive is 0, "
            'beside others that were driven; if writes disturb their neighbors, let `couples` name "cells"',
        )


def _still(trial: Trial, bench: Bench, cells: Any, zero: Tensor, noise: Noise) -> None:
    after = tree_leaves(trial.device.pulse(cells, zero, noise))
    for field, cell in tree_leaves(cells).items():
        count = int((after[field] != cell).sum())
        require(
            count == 0,
            f"{bench.name}: a pulse of zero changed cells.{field}, {count} of {cell.numel()}",
        )


def check_huge_pulses(trial: Trial) -> None:
    """Bounds that are stated are kept, and cells stay numbers, whatever finite drives are sent."""
    for dtype in (torch.float32, torch.float64):
        bench = trial.bench(dtype)
        require_bounds(trial.device, bench.name, bench.cells, "at birth")
        for seconds in (1e3, 1e8):
            aged = trial.device.age(bench.cells, seconds, trial.noise("aged"))
            require_bounds(trial.device, bench.name, aged, f"after {seconds:g} s")
        cells, noise, bounded = bench.cells, trial.noise("huge"), _bounded(trial, bench)
        for size, drive in _huge(trial, bench, torch.finfo(dtype).max):
            after = f"after a drive of {size:.3g} in {str(dtype).removeprefix('torch.')}"
            cells = trial.device.pulse(cells if bounded else bench.cells, drive, noise)
            for field, cell in tree_leaves(cells).items():
                sound = torch.isfinite(cell) if bounded else ~torch.isnan(cell)
                require(bool(sound.all()), f"{bench.name}: {after} cells.{field} is not finite")
            require_bounds(trial.device, bench.name, cells, after)


def _bounded(trial: Trial, bench: Bench) -> bool:
    bounds = trial.device.bounds(bench.cells)
    return bounds is not None and all(bool(torch.isfinite(bound).all()) for bound in bounds)


def _huge(trial: Trial, bench: Bench, largest: float) -> Iterator[tuple[float, Tensor]]:
    """Drives of any finite size, of three chips: all alike, all different, and in stripes.

    Of a device without bounds, whose knobs may grow without end, all of them have one sign.
    """
    for k, size in enumerate((1.0, 30.0, 1e3, 1e12, 1e30, largest / 2, largest, 0.05)):
        for sign in (1, -1):
            alike = torch.full_like(bench.cells.knobs, sign * size)
            different, stripes = alike * trial.like(f"drive {k}", alike).tanh(), alike.clone()
            stripes[..., ::2].neg_()
            drive = torch.stack([each[i] for i, each in enumerate((alike, different, stripes))])
            yield sign * size, drive if _bounded(trial, bench) else drive.abs().copysign(alike)


def require_bounds(device: Any, where: str, cells: Any, when: str) -> None:
    """Pass on cells (*fleet, tiles, ...) whose knobs keep to the bounds that the device states, if any.

    Raises:
        ContractError: they do not.
    """
    bounds = device.bounds(cells)
    if bounds is not None:
        low, high = bounds
        require(bool((low <= high).all()), f"{where}: bounds are no numbers, or upside down, {when}")
        out = float(torch.maximum(low - cells.knobs, cells.knobs - high).max())
        law = f"{where}: knobs are {out:.3g} outside the bounds that the device states {when}; clamp them"
        require(out <= 1e-6 * float((high - low).max()), law)


def check_histories(trial: Trial) -> None:
    """The same chip, noise seed and history are bitwise the same; readings fit the wires."""
    chips = [trial.chip(range(2), torch.float32) for _ in range(2)]
    for chip in chips:
        for name in ("first", "second"):
            _pulse(trial, chip, name)
        x = trial.draw("x", 6, trial.layers[0].features_in, dtype=torch.float32)
        for tap in chip.port().measure(x).taps:
            require(tap.dtype == chip.spec.dtype, f"a tap is {tap.dtype}, the wires carry {chip.spec.dtype}")
    for i in range(len(trial.layers)):
        for name, cell in cell_fields(chips[0], i).items():
            law = f"layer {i}: cells.{name} differs between two chips of the same identity and history"
            require_equal(cell_fields(chips[1], i)[name], cell, law)


def _pulse(trial: Trial, chip: Chip, name: str) -> None:
    zeros = enumerate(chip.port().spec.zeros())
    chip.port().pulse(tuple(trial.like(f"{name} {i}", z, 0.05) for i, z in zeros))
