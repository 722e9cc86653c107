"""Laws of influence: chips, tiles, probes and examples do not change what another of them shows."""

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Any

import torch
from torch import Tensor

from ..contract import ContractError
from ..randomness import Noise
from ..streams import stream
from ..tree import tree_leaves, tree_map
from .assertions import require_close
from .independence import require_probes_apart
from .trial import AXES, ONE, AlikeNoise, Bench, FrozenNoise, Scene, Trial, respond, scenes

_LONE = "as a chip that is no fleet"
_MANY = {"examples": 75}  # times over, of what is as cheap as few
_WEARING = ((1.0, -1.0) * 8, (1e6, -1e6) * 4)  # drives that wear a chip out, if anything does
_TOLERANCE = 1e-9  # of the scale: products of other sizes round differently


def check_influence_in_readings(trial: Trial) -> None:
    """Examples, probes, tiles and chips do not influence each other in a reading, with noise or without."""
    bench = trial.bench()
    for stage in ("collect", "sense", "fire"):
        for way, scene in scenes(trial, bench, stage).items():
            lead = scene.sent.ndim - bench.cells.knobs.ndim
            axes = trial.uncoupled("examples", *(("probes",) if lead else ()), "tiles", "chips")
            try:
                _try_readings(trial, f"{bench.name}: in {stage}{way}", stage, scene, axes)
            except ContractError:
                if lead:
                    require_probes_apart(trial, stage)  # may know better why
                raise


def _try_readings(trial: Trial, where: str, stage: str, scene: Scene, axes: list[str]) -> None:
    def shown(scene: Scene, noise: Noise) -> Tensor:
        return scene.through(trial.device, stage, noise)

    for noisy, noise in (("", Noise.none()), (", with noise alike for all", AlikeNoise(trial.seed))):
        whole = shown(scene, noise)
        for axis in axes:
            for how, index in _subsets(axis, whole):
                part = shown(scene.take(axis, index), noise)
                wanted = whole.index_select(AXES[axis] % whole.ndim, torch.tensor(index))
                _same(part, wanted, f"{where}{noisy}", axis, how)
        if "probes" in axes:
            several = shown(scene.unflattened((-1, 2)), noise).flatten(0, 1)
            _same(several, whole, f"{where}{noisy}", "probes", "along several axes of probes")
        if "chips" in axes:
            lone = shown(scene.lone(1), noise)
            _same(lone, whole.select(AXES["chips"], 1), f"{where}{noisy}", "chips", _LONE)
    for noisy, noise in (("", Noise.none()), (", with noise", FrozenNoise(trial.seed))):
        whole = shown(scene, noise)
        for axis in axes:
            for kept, size in _some(whole.shape[AXES[axis]]):
                part = shown(scene.beside_others(axis, kept, size), noise).select(AXES[axis], kept)
                _same(part, whole.select(AXES[axis], kept), f"{where}{noisy}", axis, "beside others")
    if "chips" in axes:
        whole = shown(scene, _apart(trial, scene)).select(AXES["chips"], 1)
        law = f"{where}, with noise of its own for each chip"
        _same(shown(scene.lone(1), Noise(stream(trial.seed, "check apart", 1))), whole, law, "chips", _LONE)


def _apart(trial: Trial, scene: Scene) -> Noise:
    """Noise of chips that live apart, each of which draws what it would draw alone."""
    return Noise([stream(trial.seed, "check apart", i) for i in range(scene.cells.knobs.shape[0])])


def _subsets(axis: str, whole: Tensor) -> Iterator[tuple[str, list[int]]]:
    """Some of those along an axis, which stand there alone, in other places, and among more."""
    everyone = [*range(whole.shape[AXES[axis]])]
    *_, last = everyone
    yield "alone", [last]
    yield "in another order", [*reversed(everyone)]
    yield "among more", [*everyone, *everyone, last]
    yield "among many", everyone * _MANY.get(axis, 5)


def _some(count: int) -> tuple[tuple[int, float], ...]:
    """Who is kept beside others, and how large these are."""
    return ((0, 30.0), (count - 1, 1e4))


def _same(part: Tensor, whole: Tensor, where: str, axis: str, how: str) -> None:
    law = (
        f"{where}: {axis} influence each other: one {ONE[axis]} shows something else {how}; "
        f'if physics couples them, let `couples` name "{axis}"'
    )
    require_close(part, whole, _TOLERANCE, law)


def check_influence_in_cells(trial: Trial) -> None:
    """Chips and tiles do not influence each other when they are pulsed or age, with noise or without."""
    bench = trial.bench()
    drive, x = trial.like("drive", bench.cells.knobs, 0.1), trial.inputs(bench, 3)
    acts: dict[str, Callable[[Scene, Noise], Any]] = {
        "when pulsed": lambda s, n: trial.device.pulse(s.cells, s.sent, n),
        "when they age 1 s": lambda s, n: trial.device.age(s.cells, 1.0, n),
        "when they age 1e5 s": lambda s, n: trial.device.age(s.cells, 1e5, n),
    }
    for when, act in acts.items():
        _try_cells(trial, f"{bench.name}: {when}", act, Scene(bench.cells, None, drive), x)


def _try_cells(trial: Trial, where: str, act: Callable[[Scene, Noise], Any], scene: Scene, x: Tensor) -> None:
    chips = trial.uncoupled("chips")
    for noisy, noise in (("", Noise.none()), (", with noise alike for all", AlikeNoise(trial.seed))):
        whole = act(scene, noise)
        for axis in trial.uncoupled("chips", "tiles"):
            for how, index in _subsets(axis, scene.sent):
                part, wanted = act(scene.take(axis, index), noise), Scene(whole, None, x).take(axis, index)
                _same_cells(trial, f"{where}{noisy}", part, wanted.cells, wanted.sent, axis, how)
        if chips:
            _same_fields(f"{where}{noisy}", act(scene.lone(1), noise), _row(whole, 1), _LONE)
    if chips:
        whole, alone = _row(act(scene, _apart(trial, scene)), 1), Noise(stream(trial.seed, "check apart", 1))
        law = f"{where}, with noise of its own for each chip"
        _same_fields(law, act(scene.lone(1), alone), whole, _LONE)
    for noisy, noise in (("", Noise.none()), (", with noise", FrozenNoise(trial.seed))):
        whole = act(scene, noise)
        for axis in trial.uncoupled("chips", "tiles"):
            for kept, size in _some(scene.sent.shape[AXES[axis]]):
                beside = Scene(act(scene.beside_others(axis, kept, size), noise), None, x).take(axis, [kept])
                wanted = Scene(whole, None, x).take(axis, [kept])
                law = f"{where}{noisy}"
                _same_cells(trial, law, beside.cells, wanted.cells, wanted.sent, axis, "beside others")


def _row(cells: Any, chip: int) -> Any:
    return tree_map(lambda leaf: leaf[chip], cells)


def _same_fields(where: str, part: Any, whole: Any, how: str) -> None:
    for name, leaf in tree_leaves(part).items():
        _same(leaf, tree_leaves(whole)[name], f"{where}, in cells.{name}", "chips", how)


def _same_cells(trial: Trial, where: str, part: Any, whole: Any, x: Tensor, axis: str, how: str) -> None:
    """The same fields, of chips; of tiles the same knobs and readings."""
    if axis == "chips":
        return _same_fields(where, part, whole, how)
    _same(part.knobs, whole.knobs, f"{where}, in the knobs", axis, how)
    shown, wanted = (respond(trial.device, cells, x) for cells in (part, whole))
    _same(shown, wanted, f"{where}, in readings", axis, how)


def check_chips_of_fleets(trial: Trial) -> None:
    """A fleet's row is the lone chip: its bounds and its end, and one worn-out chip of a fleet ends alone."""
    device = trial.device
    for bench in trial.benches():
        scene = Scene(bench.cells, None, torch.zeros_like(bench.cells.knobs))
        bounds = device.bounds(bench.cells)
        if bounds is not None and trial.uncoupled("chips"):
            for bound, alone in zip(bounds, device.bounds(scene.lone(1).cells) or (), strict=True):
                _same(alone, bound[1], f"{bench.name}: in bounds", "chips", _LONE)
        ended = _worn(trial, bench)
        if ended is not None and trial.uncoupled("chips"):
            _same(
                ended,
                torch.tensor([False, True, False]).double(),
                f"{bench.name}: in worn_out, of a fleet of which only chip 1 was pulsed",
                "chips",
                "beside a worn-out one",
            )


def _worn(trial: Trial, bench: Bench) -> Tensor | None:
    """Who has come to its end once chip 1, which alone was pulsed, has; None where it does not come to it."""
    cells, noise = bench.cells, trial.noise("worn")
    drive = torch.zeros_like(cells.knobs)
    if trial.device.worn_out(cells) is None:
        return None
    for size in chain(*_WEARING):
        drive[1] = size
        cells = trial.device.pulse(cells, drive.clone(), noise)
        ended = trial.device.worn_out(cells)
        if ended is None or bool(ended.any()):
            return None if ended is None else ended.double()
    return None
