"""Laws of repetition: what a device does depends on its arguments alone, whatever goes on around it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from ..contract import ContractError
from ..device import Device
from ..randomness import Noise
from ..streams import stream
from ..tree import tree_leaves, tree_map
from .assertions import require
from .surroundings import GLOBAL_GENERATORS, Generators, moved_generator, watched_clocks
from .trial import Bench, Trial

_FIRST = 12  # readings of a device that has not been used yet
Shown = list[tuple[str, dict[str, Tensor]]]  # what each function gave, in order
_OUTSIDE = "a device keeps no state but its cells, and draws from `birth` and `noise` alone"


def check_repetition(trial: Trial) -> None:
    """A device's functions depend on their arguments alone: not on generators, clocks or state of its own."""
    bench = trial.bench()
    with watched_clocks(trial.device, moved=False) as clocks:
        first = _history(trial, bench, guarded=True)
        _compare(bench.name, first, _history(trial, bench), _again(clocks))
    for law, world in _worlds(trial):
        with world:
            _compare(bench.name, first, _history(trial, bench), law)
    law = f"keeps state in attributes of its tensors, or knows them again; {_OUTSIDE}"
    _compare(bench.name, first, _history(trial, bench, kept=_cloned), law)
    law = f"keeps state in the device or its module; {_OUTSIDE}"
    _compare(bench.name, first, _history(trial, bench, device=deepcopy), law)
    _compare(bench.name, first, _history(trial, bench, between=_other_use(trial, bench)), law)


def check_first_uses(trial: Trial) -> None:
    """The first uses of a device are like later ones, of which none leaves a trace outside the cells."""
    bench = trial.bench(torch.float32)
    x, drive = trial.inputs(bench, 4), trial.like("drive", bench.cells.knobs, 0.1)

    def use() -> Shown:
        cells, noise = _cloned(bench.cells), trial.noise("first")
        sensed = trial.device.sense(cells, trial.device.collect(cells, x.clone(), noise), noise)
        fired = trial.device.fire(cells, sensed.clone(), noise)
        pulsed = trial.device.pulse(cells, drive.clone(), noise)
        found = {"sense": sensed, "fire": fired, "pulse": pulsed.knobs}
        return [(name, {"": shown.nan_to_num()}) for name, shown in found.items()]

    first = use()
    for _ in range(_FIRST):
        try:
            _compare(bench.name, first, use(), _again([]))
        except ContractError:
            check_repetition(trial)  # may know better why
            raise


def _again(clocks: list[str]) -> str:
    if clocks:
        return f"reads the computer's clock ({clocks[0]}); time comes by `age` alone"
    return (
        "gives something else the second time: it keeps state outside its cells, or draws elsewhere; "
        f"{_OUTSIDE}"
    )


def _worlds(trial: Trial) -> Iterator[tuple[str, AbstractContextManager[Any]]]:
    """Worlds in which everything else than the arguments is another, and what it means if that shows."""
    yield "reads the computer's clock; time comes by `age` alone", watched_clocks(trial.device, moved=True)
    for which, name in GLOBAL_GENERATORS.items():
        yield f"depends on {name}; draw from `birth` and `noise` only", moved_generator(which)


def _cloned(cells: Any) -> Any:
    return tree_map(lambda leaf: leaf.clone(), cells)


def _other_use(trial: Trial, bench: Bench) -> Callable[[], None]:
    """Use of other cells of the same device in between."""
    cells = tree_map(lambda leaf: leaf.flip(0), bench.cells)
    drive, x = trial.like("other drive", cells.knobs, 0.3), trial.inputs(bench, 5, "other x")

    def use() -> None:
        noise = trial.noise("other")
        pulsed = trial.device.age(trial.device.pulse(cells, drive, noise), 3.0, noise)
        trial.device.sense(pulsed, trial.device.collect(pulsed, x, noise), noise)

    return use


def _history(
    trial: Trial,
    bench: Bench,
    *,
    kept: Callable[[Any], Any] = lambda cells: cells,
    device: Callable[[Device], Device] = lambda device: device,
    between: Callable[[], None] = lambda: None,
    guarded: bool = False,
) -> Shown:
    """A history of one layer: written, read, aged, some of it several times; what every function gave.

    Args:
        kept: how cells are kept from use to use.
        device: how the device is kept from use to use.
        between: what is done between uses.
        guarded: whether to look at the global generators at each use.
    """
    cells, noise, shown = _cloned(bench.cells), Noise(stream(trial.seed, "check history")), []
    x = trial.inputs(bench, 4)

    def use(name: str, *given: Any) -> Any:
        between()
        before = Generators() if guarded else None
        out = getattr(device(trial.device), name)(*given)
        used = before.used() if before else None
        require(used is None, f"{used} was used by {name}; draw from `birth` and `noise` only")
        shown.append((name, {k: v.clone() for k, v in tree_leaves(out).items()}))
        return kept(out)

    for k, (size, seconds) in enumerate(((0.05, 0.0), (0.5, 1e-3), (0.02, 2.0), (0.3, 1e5), (3.0, 1e-3))):
        drive = trial.like(f"drive {k}", cells.knobs, size)
        cells = use("pulse", cells, drive, noise)
        cells = use("age", cells, seconds, noise)
        probed = use("perturb", cells, drive)
        for read in (cells, probed):
            u = use("collect", read, x, noise)
            u = use("sense", read, u, noise)
            use("fire", read, u, noise)
        for ask in ("bounds", "worn_out"):
            use(ask, cells)
    return shown


def _compare(where: str, first: Shown, again: Shown, law: str) -> None:
    for (name, wanted), (_, found) in zip(first, again, strict=True):
        for leaf, tensor in wanted.items():
            if leaf not in found or tensor.shape != found[leaf].shape or not torch.equal(tensor, found[leaf]):
                raise ContractError(f"{where}: {name} {law}")
