"""Laws of noise: that of reads, writes and ageing is independent from chip to chip, and from use to use.

Judged by the values that come out. Two uses alike differ by noise alone, and their difference d is symmetric
whatever the noise is. If it is independent between a and b, the products d_a d_b have signs like thrown
coins, so T = sum / sqrt(sum of squares) exceeds t with a probability of at most 2 exp(-t^2 / 2), exactly and
for noise of any shape (Hoeffding 1963, https://doi.org/10.1080/01621459.1963.10500830). What one chip,
probe or example shows is one product: its rows, and its tiles, may share noise among themselves.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from ..randomness import Noise
from ..tree import tree_leaves, tree_map
from .assertions import require
from .trial import Bench, Scene, Trial, scenes

_LIMIT: Final = 8.5  # 4e-16 a test; of a few thousand tests a device, 1e-12
_READS: Final = 36  # pairs of readings, each of many chips, probes and examples
_EXAMPLES: Final = 16
_WRITES: Final = 96  # pairs of writes, or of waits, of whole fleets
_WAITS: Final = (1e6, 10.0)  # s; the first in which anything happens by chance
_DIMS: Final = ("uses", "probes", "chips", "tiles", "examples", "rows")


class _Shared(NamedTuple):
    t: float  # sum over its standard error
    correlation: float
    who: str


def check_fresh_noise(trial: Trial) -> None:
    """Noise is another one at every use: no two readings, pulses or waits have the same."""
    bench = trial.bench(chips=3)
    for stage in ("collect", "sense", "fire"):
        for way, use in _readings(trial, bench, stage).items():
            alike = ("chips", "probes") if stage == "collect" else ("chips", "probes", "examples")
            _require_fresh(trial, f"{bench.name}: {stage}{way}", "reading", use.read, alike)
    for what, act in _changes(trial, bench).items():
        _require_fresh(trial, f"{bench.name}: {what}", what, _fields_after(act), ("chips",))


def check_noise_of_readings(trial: Trial) -> None:
    """Noise of reads is independent between examples, probes, tiles and chips, and from read to read."""
    bench = trial.bench(chips=3)
    for stage in ("collect", "sense", "fire"):
        for way, use in _readings(trial, bench, stage).items():
            d = _differences(use.read, trial.noise(f"{stage}{way}"), _READS)
            axes = trial.uncoupled("examples", "tiles", "chips", *use.axes)
            _require_independent(trial, f"{bench.name}: {stage}{way}", d, axes)


class _Use(NamedTuple):
    read: Callable[[Noise], Tensor]  # gives (probes, chips, tiles, examples, rows)
    axes: tuple[str, ...]  # of probes, if there are any


def _readings(trial: Trial, bench: Bench, stage: str) -> dict[str, _Use]:
    """One stage read without a probe, with two axes of probes of the knobs, and before probes have come."""
    found = scenes(trial, bench, stage, examples=_EXAMPLES, probes=4)
    plain, probed = (_twins(found[way], stage) for way in ("", " with probes of the knobs"))
    square, device = probed.unflattened((2, 2)), trial.device

    def before(noise: Noise) -> Tensor:
        shown = plain.through(device, stage, noise, lead=(4,))
        return shown if shown.ndim == 5 else shown.expand(4, *shown.shape)

    uses = {
        "": _Use(lambda noise: plain.through(device, stage, noise).unsqueeze(0), ()),
        ", with probes of the knobs": _Use(
            lambda noise: square.through(device, stage, noise).flatten(0, 1), ("probes",)
        ),
    }
    if before(trial.noise()).shape != before(Noise.none()).shape or _noisy(before, trial.noise()):
        uses[", before probes have come"] = _Use(before, ("probes",))
    return uses


def _noisy(use: Callable[[Noise], Tensor], noise: Noise) -> bool:
    return any(not torch.equal(use(noise), use(noise)) for _ in range(2))


def check_noise_of_writes(trial: Trial) -> None:
    """Noise of pulses, and of ageing, is independent between tiles and chips, and from use to use."""
    bench = trial.bench(chips=6)
    for what, act in _changes(trial, bench).items():
        noise = trial.noise(what)
        if not _noisy(_fields_after(act), noise):
            continue
        pairs = [(act(noise), act(noise)) for _ in range(_WRITES)]
        for form, axis in ((_fields, "chips"), (_knobs, "tiles")):
            d = torch.stack([form(a) - form(b) for a, b in pairs])
            _require_independent(trial, f"{bench.name}: noise of a {what}", d, trial.uncoupled(axis))
        if what != "pulse":
            break  # what ages by chance has been seen to


def _changes(trial: Trial, bench: Bench) -> dict[str, Callable[[Noise], object]]:
    """A pulse, and waits, of twin chips that are driven alike."""
    cells = tree_map(lambda leaf: leaf[:1].expand_as(leaf).clone(), bench.cells)
    drive = 0.1 * trial.draw("drive", *cells.knobs.shape[1:]).expand_as(cells.knobs).clone()

    def wait(seconds: float) -> Callable[[Noise], object]:
        return lambda noise: trial.device.age(cells, seconds, noise)

    return {
        "pulse": lambda noise: trial.device.pulse(cells, drive, noise),
        **{f"wait of {seconds:g} s": wait(seconds) for seconds in _WAITS},
    }


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
        sent = sent + torch.linspace(0.4, 1.2, sent.shape[-1], dtype=sent.dtype)
    cells = tree_map(lambda leaf: leaf[:1].expand_as(leaf).clone(), scene.cells)
    return Scene(cells, None if scene.offset is None else torch.zeros_like(scene.offset), sent)


def _require_fresh(
    trial: Trial, where: str, what: str, use: Callable[[Noise], Tensor], alike: tuple[str, ...]
) -> None:
    """Refuse noise by which twins differ, and which is the same next time."""
    goes_on = trial.noise("c")
    pairs = [tuple(use(trial.noise(name)) for name in "ab"), (use(goes_on), use(goes_on))]
    silent = use(Noise.none())
    for first, second in pairs:
        for axis in trial.uncoupled(*alike) if torch.equal(first, second) else ():
            spread = (first - silent) - (first - silent).narrow(_DIMS.index(axis) - 1, 0, 1)
            small = float(spread.abs().max()) <= 1e-9 * float(first.abs().max())
            law = (
                f"{where}: noise is the same again at every {what}; draw it from `noise`, which goes on, "
                "not from a generator of its own"
            )
            require(small, law)


def _differences(use: Callable[[Noise], Tensor], noise: Noise, pairs: int) -> Tensor:
    """Differences of two uses, (pairs, ...); a few of them if nothing differs."""
    found = [use(noise) - use(noise) for _ in range(2)]
    if any(bool(d.any()) for d in found):
        found += [use(noise) - use(noise) for _ in range(pairs - 2)]
    return torch.stack(found)


def _require_independent(trial: Trial, where: str, d: Tensor, axes: list[str]) -> None:
    """Refuse uses of which two along an axis share noise; of several such the most alike are named.

    Args:
        d: differences of uses, (pairs, probes, chips, tiles, examples, rows).
    """
    if not bool(d.any()):
        return
    size = d.square().mean(0).sqrt()
    d = torch.where(size > 0, d / size, d)  # symmetric still
    sizes = d[0::2].abs() - d[1::2].abs()  # symmetric too, and shows who shares the size of his noise
    shared = [s for each in (d, sizes) for s in _all_pairs(trial, each, axes) if s.t > _LIMIT]
    if shared:
        worst = max(shared, key=lambda s: s.correlation)
        law = (
            f"{where}: {worst.who} share noise: correlation {worst.correlation:.2f}, {worst.t:.0f} standard "
            "errors from 0; draw it for each of them, as in noise.normal(u)"
        )
        require(False, law)


def _all_pairs(trial: Trial, d: Tensor, axes: list[str]) -> Iterator[_Shared]:
    """Every two along an axis, then every step along axes, of (uses, probes, ..., rows)."""
    unit = [i for i, name in enumerate(_DIMS) if name == "rows" or name in trial.device.couples]
    whole = sorted({*unit, _DIMS.index("tiles")})
    for axis in axes:
        place = _DIMS.index(axis)
        if d.shape[place] < 2:
            continue
        inner = unit if axis == "tiles" else whole
        a, b = torch.triu_indices(d.shape[place], d.shape[place], 1)
        products = d.index_select(place, a) * d.index_select(place, b)
        who = [f"{axis} {i} and {j}" for i, j in zip(a.tolist(), b.tolist(), strict=True)]
        yield _shared(products.sum(inner, keepdim=True), place, who)
    free = [_DIMS.index(axis) for axis in axes if axis != "tiles"]
    for step in product(*(range(min(d.shape[i], 3)) for i in free)):
        if any(step):
            one, other = d, d
            for i, by in zip(free, step, strict=True):
                one, other = one.narrow(i, 0, d.shape[i] - by), other.narrow(i, by, d.shape[i] - by)
            pair = " of other ".join(_DIMS[i] for i, by in zip(free, step, strict=True) if by)
            yield _shared((one * other).sum(whole).reshape(-1, 1), 1, [pair])


def _shared(products: Tensor, place: int, who: list[str]) -> _Shared:
    """The largest T along an axis of products, whose other axes are tries."""
    tries = products.movedim(place, 0).flatten(1)
    t = tries.sum(1).abs() / tries.square().sum(1).sqrt().clamp(min=1e-300)
    k = int(t.argmax())
    correlation = float(tries[k].sum().abs() / tries[k].abs().sum().clamp(min=1e-300))
    return _Shared(float(t[k]), correlation, who[k])
