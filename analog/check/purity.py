"""Laws of purity: no function alters its arguments, and what comes is finite and of the wanted form."""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from ..tree import tree_leaves
from .assertions import clone_fields, require, require_equal
from .trial import Bench, Scene, Trial, scenes

_SIZES: Final = {torch.float32: (0.01, 0.5, 3.0, 100.0), torch.float64: (0.5,)}  # of all that is sent
_WAITS: Final = (0.0, 1e-6, 1.0, 1e5, 1e9)  # s


def check_purity(trial: Trial) -> None:
    """Device functions are pure at any size, and give what they are asked for in shape and dtype."""
    for bench in trial.tried():
        for size in _SIZES[bench.cells.knobs.dtype]:
            _pure_writes(trial, bench, size)
            for stage in ("collect", "sense", "fire"):
                for way, scene in scenes(trial, bench, stage, size=size).items():
                    _pure_reading(trial, bench, stage, f"size {size:g}{way}", scene)
        _pure_waits(trial, bench)


def _pure_writes(trial: Trial, bench: Bench, size: float) -> None:
    device, cells, noise = trial.device, bench.cells, trial.noise(f"write {size}")
    drive = trial.like("drive", cells.knobs, size)
    offset = trial.like("wide", cells.knobs.expand(3, *cells.knobs.shape), size)
    how = f"size {size:g}"
    _pure_cells(bench, "pulse", how, lambda d: device.pulse(cells, d, noise), drive)
    _pure_cells(bench, "perturb", how, lambda d: device.perturb(cells, d), offset, (3,))
    blank = device.perturb(cells, -cells.knobs)
    _pure_cells(bench, "pulse", f"{how}, of blank cells", lambda d: device.pulse(blank, d, noise), drive)


def _pure_waits(trial: Trial, bench: Bench) -> None:
    device, cells = trial.device, bench.cells
    for seconds in _WAITS:
        noise = trial.noise(f"wait {seconds}")

        def wait(_: Tensor, seconds: float = seconds, noise: Any = noise) -> Any:
            return device.age(cells, seconds, noise)

        _pure_cells(bench, "age", f"{seconds:g} s", wait, torch.zeros(()))
    _pure(bench, "bounds", "asked", lambda _: device.bounds(cells), torch.zeros(()))
    _pure(bench, "worn_out", "asked", lambda _: device.worn_out(cells), torch.zeros(()))


def _pure_cells(
    bench: Bench,
    name: str,
    how: str,
    call: Callable[[Tensor], Any],
    sent: Tensor,
    lead: tuple[int, ...] = (),
) -> None:
    """Require of a function that gives cells that it is pure, and the cells of the form of those before."""
    after, before = tree_leaves(_pure(bench, name, how, call, sent)), tree_leaves(bench.cells)
    law = f"{bench.name}: {name} gave cells of the fields {', '.join(after)}, wanted {', '.join(before)}"
    require(list(after) == list(before), law)
    for field, leaf in after.items():
        fresh = before[field]
        wanted = [tuple(fresh.shape), (*lead, *fresh.shape)][field == "knobs" and bool(lead) :]
        law = (
            f"{bench.name}: {name} gave cells.{field} of {tuple(leaf.shape)} {leaf.dtype}, wanted "
            f"{wanted[-1]} {fresh.dtype}; cells keep shape and dtype ({how})"
        )
        require(tuple(leaf.shape) in wanted and leaf.dtype == fresh.dtype, law)
        finite = bool(torch.isfinite(leaf).all())
        require(finite, f"{bench.name}: {name} gave cells.{field} that is not finite ({how})")


def _pure_reading(trial: Trial, bench: Bench, stage: str, how: str, scene: Scene) -> None:
    cells, noise = scene.cells, trial.noise(f"{stage} {how} {bench.name}")
    if scene.offset is not None:
        cells = trial.device.perturb(cells, scene.offset)
        scene = Scene(cells, None, scene.sent)
    fresh = clone_fields(tree_leaves(cells))
    lead = scene.sent.ndim - bench.cells.knobs.ndim
    noise = noise.with_probe_axes(tuple(scene.sent.shape[:lead]), scene.sent.ndim)
    call: Callable[..., Tensor] = getattr(trial.device, stage)
    out = _pure(bench, stage, how, lambda sent: call(cells, sent, noise), scene.sent)
    require(bool(torch.isfinite(out).all()), f"{bench.name}: {stage} gave values that are not finite ({how})")
    for field, leaf in tree_leaves(cells).items():
        law = f"{bench.name}: {stage} altered {field}; device functions are pure ({how})"
        require_equal(leaf, fresh[field], law)


def _pure(bench: Bench, name: str, how: str, call: Callable[[Tensor], Any], sent: Tensor) -> Any:
    before = clone_fields(tree_leaves(bench.cells))
    out = call(sent)
    for field, after in tree_leaves(bench.cells).items():
        law = f"{bench.name}: {name} altered {field}; device functions are pure ({how})"
        require_equal(after, before[field], law)
    return out
