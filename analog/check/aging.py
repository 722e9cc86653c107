"""Laws of ageing: it runs along the clock, so that two waits are one long one, in the mean and by chance."""

from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor

from ..randomness import Noise
from ..tree import tree_leaves
from .assertions import require, require_close
from .trial import Bench, FrozenNoise, Trial, copies, respond

_SCALES: Final = tuple(1.3 * 10.0**k for k in range(-6, 10, 3))  # s
_ROUNDING: Final = 1e-7  # of a wait, as of a factor that was computed in single precision
_COPIES: Final = 84  # of a fleet that ages in one wait and in many
_LIMIT: Final = 8.0  # 3e-14 a test, see `shared_noise`


def check_aging(trial: Trial) -> None:
    """Ageing runs along the clock: many short waits are one long one, and no time changes nothing."""
    for bench in trial.benches():
        _no_time(trial, bench)
    bench = _used(trial)
    for scale in _SCALES:
        waits = _short_and_long(scale)
        for name, cell in tree_leaves(_aged(trial, bench.cells, [sum(waits)], trial.noise())).items():
            finite = bool(torch.isfinite(cell).all())
            require(finite, f"{bench.name}: after {sum(waits):.3g} s cells.{name} is not finite")
        silence = _RecordingSilence()
        once, often = (_aged(trial, bench.cells, each, silence) for each in ([sum(waits)], waits))
        if silence.uniform_asked and _by_chance(trial, bench, sum(waits)):
            continue  # a switch that is thrown by chance has no course of its own
        law = (
            f"{bench.name}: ageing by {len(waits)} waits of {waits[0]:.3g} s up to {waits[-1]:.3g} s is not "
            f"ageing by {sum(waits):.3g} s, their sum; keep the age in the cells"
        )
        for one, many in zip(_states(trial, bench, once), _states(trial, bench, often), strict=True):
            require_close(many, one, _ROUNDING * len(waits), law)


def _used(trial: Trial) -> Bench:
    """A layer of chips of which one is fresh, one was pulsed a little, and one far."""
    bench = trial.bench()
    sizes = torch.tensor([0.0, 0.5, 3.0], dtype=torch.float64).reshape(-1, 1, 1, 1)
    drive = sizes * trial.like("used", bench.cells.knobs)
    return bench._replace(cells=trial.device.pulse(bench.cells, drive, Noise.none()))


def _short_and_long(scale: float) -> list[float]:
    """Waits of which the last is longer than those before, as some work time out in portions."""
    return [*(scale / 12,) * 12, scale, *(scale / 1200,) * 20, 2.2 * scale]


def _by_chance(trial: Trial, bench: Bench, seconds: float) -> bool:
    """Whether chance has a say in what a wait does."""
    noise = trial.noise("by chance")
    leaves = [tree_leaves(_aged(trial, bench.cells, [seconds], noise)) for _ in range(4)]
    return any(not torch.equal(each[name], leaf) for each in leaves for name, leaf in leaves[0].items())


def _states(trial: Trial, bench: Bench, cells: Any) -> list[Tensor]:
    """All that shows of cells: readings with noise and without, before a pulse and after, and their end."""
    x = trial.inputs(bench, 5)
    pulsed = trial.device.pulse(cells, trial.like("drive", cells.knobs, 0.1), Noise.none())
    ended = trial.device.worn_out(cells)
    shown = [respond(trial.device, each, x) for each in (cells, pulsed)]
    noisy = respond(trial.device, cells, x, FrozenNoise(trial.seed))
    return [*shown, noisy, pulsed.knobs, cells.knobs, *(() if ended is None else (ended,))]


def _no_time(trial: Trial, bench: Bench) -> None:
    x = trial.inputs(bench, 5)
    near, far = (
        trial.device.pulse(bench.cells, trial.like("drive", bench.cells.knobs, size), trial.noise())
        for size in (0.1, 3.0)
    )
    for cells in (bench.cells, far, trial.device.age(near, 1e3, trial.noise("before"))):
        for noise in (Noise.none(), trial.noise("no time")):
            still = trial.device.age(cells, 0.0, noise)
            law = f"{bench.name}: age(cells, 0) changes the response"
            require_close(respond(trial.device, still, x), respond(trial.device, cells, x), 1e-9, law)
            require_close(still.knobs, cells.knobs, 1e-9, f"{bench.name}: age(cells, 0) changes the knobs")


def _aged(trial: Trial, cells: Any, waits: Sequence[float], noise: Noise) -> Any:
    for seconds in waits:
        cells = trial.device.age(cells, seconds, noise)
    return cells


class _RecordingSilence(Noise):
    """Silent noise that remembers whether a uniform was asked for."""

    def __init__(self) -> None:
        super().__init__(None)
        self.uniform_asked = False

    def uniform(self, like: Tensor) -> Tensor:
        self.uniform_asked = True
        return super().uniform(like)


def check_aging_by_chance(trial: Trial) -> None:
    """Ageing by chance spreads, and drifts, as far in many short waits as in one long one.

    Each chip ages once in either way, with noise of its own; the difference is symmetric if both have one
    law, whatever it is, so its sum over chips exceeds 8 times its root sum of squares once in 3e13 trials.
    """
    bench = trial.bench()
    if not any(_by_chance(trial, bench, seconds) for seconds in (_SCALES[0], _SCALES[2], _SCALES[-1])):
        return
    fleet = copies(bench.cells, _COPIES)
    x = torch.eye(bench.layer.cols, dtype=torch.float64)
    start = _shown(trial, fleet, x)
    for scale in _SCALES:
        waits, noise = _thirteen(scale), trial.noise(f"{scale}")
        once, often = (_shown(trial, _aged(trial, fleet, each, noise), x) for each in ([sum(waits)], waits))
        where = f"{bench.name}: in waits of {waits[0]:.3g} s and one of {waits[-1]:.3g} s a chip"
        moves, signs = (once - start, often - start), start.sign()
        one, many = (torch.einsum("cs->c", moved.abs()) for moved in moves)
        _require_alike(one, many, f"{where} spreads by ageing")
        one, many = (torch.einsum("cs,cs->c", moved, signs) for moved in moves)
        _require_alike(one, many, f"{where} drifts by ageing")


def _thirteen(scale: float) -> list[float]:
    """A dozen waits, and one that is longer than they are together."""
    return [*(scale / 12,) * 12, 1.1 * scale]


def _shown(trial: Trial, cells: Any, x: Tensor) -> Tensor:
    x = x.expand(*cells.knobs.shape[:2], *x.shape)
    return torch.cat((respond(trial.device, cells, x).flatten(1), cells.knobs.flatten(1)), -1)


def _require_alike(one: Tensor, many: Tensor, law: str) -> None:
    gap = many - one
    t = float(gap.sum() / gap.square().sum().sqrt().clamp(min=1e-300))
    ratio = float(many.sum() / one.sum()) if bool(one.sum()) else float("inf")
    require(
        abs(t) <= _LIMIT,
        f"{law} {ratio:.3g} times as far as in one of their sum ({abs(t):.0f} standard errors off); "
        "ageing for two times is ageing for their sum, also by chance: variances add up",
    )
