"""Laws of noise: that of reads, writes and ageing is independent from chip to chip, and from use to use.

Judged by the values that come out, see `shared_noise`.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from ..randomness import Noise
from ..tree import tree_leaves
from .assertions import require
from .shared_noise import DIMS, require_independent
from .trial import FLEET, Bench, Scene, Trial, like_first, scenes

_READS: Final = 36  # pairs of readings, each of many chips, probes and examples
_EXAMPLES: Final = 16
_CROWD: Final = 12  # chips of which few readings are taken
_CROWD_EXAMPLES: Final = 320
_WRITES: Final = 96  # pairs of writes, or of waits, of whole fleets
_WAITS: Final = (1e6, 3e3, 10.0, 0.05, 1e-4)  # s
_SUMS: Final = (0.7, -6.0, 0.03, 8.0, -0.6)  # of rows: of either sign, small and large


def check_fresh_noise(trial: Trial) -> None:
    """Noise is another one at every use: no two readings, pulses or waits have the same."""
    bench = trial.bench()
    for stage in ("collect", "sense", "fire"):
        for way, read in _readings(trial, bench, stage).items():
            alike = ("chips", "probes") if stage == "collect" else ("chips", "probes", "examples")
            _require_fresh(trial, f"{bench.name}: {stage}{way}", "reading", read, alike)
        later = _after_a_pulse(trial, bench, stage)
        _require_fresh(trial, f"{bench.name}: {stage} after a pulse", "pulse", later, ("chips",))
    for what, act in _changes(trial, bench).items():
        _require_fresh(trial, f"{bench.name}: {what}", what, _fields_after(act), ("chips",))


def check_noise_of_readings(trial: Trial) -> None:
    """Noise of reads is independent between examples, probes, tiles and chips, and from read to read."""
    bench, crowd = (trial.bench(trial.noisy_dtype, chips) for chips in (FLEET, _CROWD))
    for stage in ("collect", "sense", "fire"):
        _judge_readings(trial, bench, stage, ("examples", "tiles", "chips", "probes"))
        d = _differences(_of_a_crowd(trial, crowd, stage), trial.noise(), 6)
        where = f"{bench.name}: {stage}, of {_CROWD} chips and {_CROWD_EXAMPLES} examples"
        require_independent(trial, where, d, trial.uncoupled("examples", "chips"), pairs=False)


def require_probes_apart(trial: Trial, stage: str) -> None:
    """Refuse noise of one stage of a reading that probes share; such a fleet is no company of lone chips.

    Raises:
        ContractError: they share it.
    """
    _judge_readings(trial, trial.bench(trial.noisy_dtype), stage, ("probes",))


def _judge_readings(trial: Trial, bench: Bench, stage: str, axes: tuple[str, ...]) -> None:
    for way, read in _readings(trial, bench, stage).items():
        d = _differences(read, trial.noise(f"{stage}{way}"), _READS)
        require_independent(trial, f"{bench.name}: {stage}{way}", d, trial.uncoupled(*axes))


def _of_a_crowd(trial: Trial, crowd: Bench, stage: str) -> Callable[[Noise], Tensor]:
    plain = _twins(scenes(trial, crowd, stage, examples=_CROWD_EXAMPLES, probes=1)[""], stage)
    return lambda noise: plain.through(trial.device, stage, noise).unsqueeze(0)


def _readings(trial: Trial, bench: Bench, stage: str) -> dict[str, Callable[[Noise], Tensor]]:
    """One stage read without a probe, with probes, those of the knobs on two axes, and before they come.

    Each gives (probes, chips, tiles, examples, rows).
    """
    found = scenes(trial, bench, stage, examples=_EXAMPLES, probes=4)
    plain, nodes, probed = (_twins(scene, stage) for scene in found.values())
    square, device = probed.unflattened((2, 2)), trial.device

    def before(noise: Noise) -> Tensor:
        shown = plain.through(device, stage, noise, lead=(4,))
        return shown if shown.ndim == 5 else shown.expand(4, *shown.shape)

    uses: dict[str, Callable[[Noise], Tensor]] = {
        "": lambda noise: plain.through(device, stage, noise).unsqueeze(0),
        ", with probes": lambda noise: nodes.through(device, stage, noise),
        ", with probes of the knobs": lambda noise: square.through(device, stage, noise).flatten(0, 1),
    }
    if before(trial.noise()).shape != before(Noise.none()).shape or _noisy(before, trial.noise()):
        uses[", before probes have come"] = before
    return uses


def _noisy(use: Callable[[Noise], Tensor], noise: Noise) -> bool:
    return any(not torch.equal(use(noise), use(noise)) for _ in range(2))


def check_noise_of_writes(trial: Trial) -> None:
    """Noise of pulses, and of ageing, is independent between tiles and chips, and from use to use."""
    few, many = (trial.bench(trial.noisy_dtype, chips) for chips in (6, 24))
    first = True
    for what, act in _changes(trial, few).items():
        if _noisy(_fields_after(act), trial.noise(what)):
            where = f"{few.name}: noise of a {what}"
            if what == "pulse" or first:
                first = what == "pulse"
                _judge_writes(trial, where, act, _WRITES)
            else:
                _judge_writes(trial, where, _changes(trial, many)[what], _WRITES // 8, pairs=False)


def _judge_writes(
    trial: Trial, where: str, act: Callable[[Noise], object], count: int, *, pairs: bool = True
) -> None:
    noise = trial.noise(where)
    writes = [(act(noise), act(noise)) for _ in range(count)]
    for form, axis in ((_fields, "chips"), (_knobs, "tiles")):
        d = torch.stack([form(a) - form(b) for a, b in writes])
        require_independent(trial, where, d, trial.uncoupled(axis), pairs=pairs)


def _changes(trial: Trial, bench: Bench) -> dict[str, Callable[[Noise], object]]:
    """A pulse, and waits, of twin chips that are driven alike."""
    cells = like_first(bench.cells)
    drive = like_first(trial.like("drive", cells.knobs, 0.1))
    drive[..., ::2] *= 10  # some of them large

    def wait(seconds: float) -> Callable[[Noise], object]:
        return lambda noise: trial.device.age(cells, seconds, noise)

    return {
        "pulse": lambda noise: trial.device.pulse(cells, drive, noise),
        **{f"wait of {seconds:g} s": wait(seconds) for seconds in _WAITS},
    }


def _after_a_pulse(trial: Trial, bench: Bench, stage: str) -> Callable[[Noise], Tensor]:
    scene = _twins(scenes(trial, bench, stage)[""], stage)
    drive = torch.full_like(scene.cells.knobs, 0.1)

    def use(noise: Noise) -> Tensor:
        trial.device.pulse(scene.cells, drive, noise)
        return scene.through(trial.device, stage, noise).unsqueeze(0)

    return use


def _fields_after(act: Callable[[Noise], object]) -> Callable[[Noise], Tensor]:
    return lambda noise: _fields(act(noise))


def _knobs(cells: Any) -> Tensor:  # (1, chips, tiles, 1, cells)
    knobs: Tensor = cells.knobs
    return knobs.flatten(-2)[None, :, :, None]


def _fields(cells: Any) -> Tensor:  # (1, chips, 1, 1, everything)
    leaves = [leaf.double().flatten(1) for leaf in tree_leaves(cells).values()]
    return torch.cat(leaves, -1)[None, :, None, None]


def _twins(scene: Scene, stage: str) -> Scene:
    """Twin chips that are sent the same; each example drives a column of its own, as cells may be noisy."""
    sent = torch.zeros_like(scene.sent)
    if stage == "collect":
        place = torch.arange(min(sent.shape[-2:]))
        sent[..., place, place] = 1.0
    else:
        sent = sent + torch.tensor(_SUMS, dtype=sent.dtype)[torch.arange(sent.shape[-1]) % len(_SUMS)]
    return Scene(
        like_first(scene.cells), None if scene.offset is None else torch.zeros_like(scene.offset), sent
    )


def _require_fresh(
    trial: Trial, where: str, what: str, use: Callable[[Noise], Tensor], alike: tuple[str, ...]
) -> None:
    """Refuse noise by which twins differ, and which is the same next time."""
    goes_on = trial.noise("c")
    pairs = [tuple(use(trial.noise(name)) for name in "ab"), (use(goes_on), use(goes_on))]
    silent = use(Noise.none())
    for first, second in pairs:
        for axis in trial.uncoupled(*alike) if torch.equal(first, second) else ():
            drawn = first - silent
            of_first = drawn.narrow(DIMS.index(axis) - 1, 0, 1)
            is_same = torch.allclose(drawn, of_first, rtol=0.0, atol=1e-9 * float(first.abs().max()))
            law = (
                f"{where}: noise is the same again at every {what}; draw it from `noise`, which goes on, "
                "not from a generator of its own"
            )
            require(is_same, law)


def _differences(use: Callable[[Noise], Tensor], noise: Noise, pairs: int) -> Tensor:
    """Differences of two uses, (pairs, ...); a few of them if nothing differs."""
    found = [use(noise) - use(noise) for _ in range(2)]
    if any(bool(d.any()) for d in found):
        found += [use(noise) - use(noise) for _ in range(pairs - 2)]
    return torch.stack(found)
