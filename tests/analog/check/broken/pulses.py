"""Devices whose pulses of zero disturb, whose pulses go astray, pass the bounds, or leave cells unsound."""

from typing import Any

import torch
from torch import Tensor

from analog import Fabrication, Mismatched, Noise
from analog.devices import SoftBoundsRRAM

from .aging import trimmed
from .bent import (
    BOUNDS,
    DTYPE,
    FINITE,
    PERTURB,
    PULSE,
    SHAPE,
    STALE,
    ZERO,
    Amplified,
    Breach,
    breach,
    knobs_to,
)

STEADY = Amplified()


def pulses_and(disturb: Any) -> Any:
    """Pulses as told, and something besides."""
    return lambda c, d, n: knobs_to(c, c.knobs + d + disturb(c, d, n))


def rare(n: Noise, like: Tensor, chance: float) -> Tensor:
    return (n.uniform(like) < chance).to(like)


def clamped(c: Any, d: Tensor, n: Noise) -> Any:
    """Cells that are driven stay within -1 and 1."""
    return knobs_to(c, torch.where(d == 0, c.knobs, (c.knobs + d).clamp(-1, 1)))


def unit_bounds(c: Any) -> tuple[Tensor, Tensor]:
    return -torch.ones_like(c.knobs), torch.ones_like(c.knobs)


def bounded(pulse: Any, steps: int = 0, **functions: Any) -> Breach:
    """Knobs that are said to stay within -1 and 1, born within."""

    def fabricate(rows: int, cols: int, birth: Fabrication) -> Any:
        return knobs_to(STEADY.fabricate(rows, cols, birth), birth.normal("k", rows, cols).clamp(-0.9, 0.9))

    sound = {"fabricate": fabricate, "bounds": unit_bounds, "pulse": pulse}
    return breach(BOUNDS, STEADY, steps, **{**sound, **functions})


def stale(**functions: Any) -> Breach:
    """An amplifier that is trimmed to the knobs of its row, and not always again."""
    sound = {
        "fabricate": lambda r, c, b: trimmed(STEADY.fabricate(r, c, b)),
        "pulse": lambda c, d, n: trimmed(knobs_to(c, c.knobs + d)),
        "perturb": lambda c, o: trimmed(knobs_to(c, c.knobs + o)),
    }
    return breach(STALE, STEADY, **{**sound, **functions})


def trimmed_when_small(c: Any, d: Tensor, n: Noise) -> Any:
    """Rows that are sent more than .3 are not trimmed again."""
    after = trimmed(knobs_to(c, c.knobs + d))
    large = (d.abs() > 0.3).any(-1, keepdim=True).mT
    return after._replace(gain=torch.where(large, c.gain, after.gain))


def beyond(low: float, value: Tensor, other: Tensor) -> Tensor:
    return torch.where(value.abs() > low, other, value)


ZEROS: dict[str, Breach] = {
    "a pulse of zero that changes a cell in a thousand": breach(
        ZERO, pulse=pulses_and(lambda c, d, n: 1e-3 * rare(n, d, 1e-3))
    ),
    "a pulse of zero that changes a tile in 300": breach(
        ZERO, pulse=pulses_and(lambda c, d, n: 1e-3 * rare(n, d[..., :1, :1], 1 / 300))
    ),
    "a pulse of zero that changes a chip in a hundred": breach(
        ZERO, pulse=pulses_and(lambda c, d, n: 1e-3 * rare(n, d[..., :1, :1, :1], 1 / 100))
    ),
    "a pulse of -0.0 that changes all": breach(
        ZERO, pulse=pulses_and(lambda c, d, n: 1e-3 * (torch.signbit(d) & (d == 0)))
    ),
    "a pulse of zero that relaxes cells above 1.5": breach(
        ZERO, pulse=pulses_and(lambda c, d, n: -1e-2 * c.knobs * (d == 0) * (c.knobs.abs() > 1.5))
    ),
    "a pulse of zero that is noise of the knobs": breach(
        ZERO, pulse=pulses_and(lambda c, d, n: 1e-6 * c.knobs * n.normal(d))
    ),
    "a pulse of zero that trims the gain, rarely": breach(
        ZERO,
        STEADY,
        pulse=lambda c, d, n: c._replace(knobs=c.knobs + d, gain=c.gain * (1 + 1e-3 * rare(n, c.gain, 3e-3))),
    ),
    "a pulse of zero that disturbs an old cell": breach(
        ZERO, STEADY, pulse=pulses_and(lambda c, d, n: 1e-3 * (c.clock > 10).to(d)), steps=50
    ),
    "a pulse of zero that ticks": breach(
        ZERO, STEADY, pulse=lambda c, d, n: knobs_to(c, c.knobs + d).ticked(1e-9)
    ),
    "a pulse of zero for all that changes the gain": breach(
        ZERO,
        STEADY,
        pulse=lambda c, d, n: c._replace(
            knobs=c.knobs + d, gain=c.gain * (1 - 1e-3 * (d == 0).all(-1, keepdim=True).mT)
        ),
    ),
}

ASTRAY: dict[str, Breach] = {
    "half-selected cells that nobody was told of": breach(
        r"drive is 0|couples",
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d + (1e-3 * d).sum(-1, keepdim=True)),
    ),
    "pulses above .5 backwards": breach(
        PULSE, pulse=lambda c, d, n: knobs_to(c, c.knobs + beyond(0.5, d, -d))
    ),
    "pulses backwards when there is noise": breach(
        PULSE, pulse=lambda c, d, n: knobs_to(c, c.knobs + (-d if n.normal(d).ndim else d))
    ),
    "pulses up alone": breach(PULSE, pulse=lambda c, d, n: knobs_to(c, c.knobs + d.abs())),
    "probes clamped at 1.3": breach(PERTURB, perturb=lambda c, o: knobs_to(c, c.knobs + o.clamp(-1.3, 1.3))),
    "knobs clamped at 3 by a probe": breach(
        PERTURB, perturb=lambda c, o: knobs_to(c, (c.knobs + o).clamp(-3, 3))
    ),
    "probes above 3 of no effect": breach(
        PERTURB, perturb=lambda c, o: knobs_to(c, c.knobs + beyond(3.0, o, 0 * o))
    ),
    "tiny probes of no effect": breach(
        PERTURB, perturb=lambda c, o: knobs_to(c, c.knobs + o * (o.abs() > 1e-3))
    ),
    "probes rounded to float16": breach(PERTURB, perturb=lambda c, o: knobs_to(c, c.knobs + o.half().to(o))),
    "probes of a fleet clamped": breach(
        PERTURB, perturb=lambda c, o: knobs_to(c, c.knobs + (o.clamp(-1e-2, 1e-2) if o.ndim > 4 else o))
    ),
}

BEYOND: dict[str, Breach] = {
    "a cell in 500 past its bounds": bounded(
        lambda c, d, n: knobs_to(c, (c.knobs + d).clamp(-1, 1) * (1 + rare(n, d, 2e-3) * (d != 0)))
    ),
    "bounds kept but for drives above 10": bounded(
        lambda c, d, n: knobs_to(c, torch.where(d.abs() > 10, c.knobs + d, (c.knobs + d).clamp(-1, 1)))
    ),
    "bounds kept but for drives above 1e6": bounded(
        lambda c, d, n: knobs_to(c, torch.where(d.abs() > 1e6, c.knobs + d, (c.knobs + d).clamp(-1, 1)))
    ),
    "bounds that write noise passes": bounded(
        lambda c, d, n: knobs_to(c, (c.knobs + d).clamp(-1, 1) + 0.01 * d * n.normal(d))
    ),
    "bounds kept on one side": bounded(lambda c, d, n: knobs_to(c, (c.knobs + d).clamp(max=1))),
    "bounds that a drift passes": bounded(
        clamped, age=lambda c, s, n: knobs_to(c, c.knobs + 1e-3 * s**0.5 * n.normal(c.knobs)), steps=50
    ),
    "knobs born past their bounds": bounded(
        clamped, fabricate=lambda r, c, b: STEADY.fabricate(r, c, b)._replace(knobs=2 * b.normal("k", r, c))
    ),
    "bounds upside down": bounded(clamped, bounds=lambda c: unit_bounds(c)[::-1]),
    "bounds that are not numbers": bounded(
        clamped, bounds=lambda c: tuple(b * float("nan") for b in unit_bounds(c))
    ),
    "bounds of another shape": bounded(clamped, bounds=lambda c: tuple(b[..., :1] for b in unit_bounds(c))),
    "a device that states bounds past which its model goes": breach(
        BOUNDS, SoftBoundsRRAM(), bounds=lambda c: tuple(0.1 * b for b in unit_bounds(c))
    ),
}

UNSOUND: dict[str, Breach] = {
    "a drive of 3e38 leaves no number": breach(
        FINITE,
        pulse=lambda c, d, n: knobs_to(c, (c.knobs + d + (2 * d - 2 * d)).clamp(-9, 9)),
        bounds=lambda c: tuple(9 * b for b in unit_bounds(c)),
    ),
    "a drive of 1e30 leaves no number": breach(
        FINITE, pulse=lambda c, d, n: knobs_to(c, (c.knobs + d + 0 * d.square()).clamp(-9, 9))
    ),
    "a drive of 1000 leaves no number": breach(
        FINITE, pulse=lambda c, d, n: knobs_to(c, (d.exp() * (c.knobs + d)) / d.exp())
    ),
    "blank cells take no pulses": breach(
        FINITE, pulse=lambda c, d, n: knobs_to(c, c.knobs * (1 + d / c.knobs))
    ),
    "knobs in float64 after a drive above .3": breach(
        DTYPE,
        pulse=lambda c, d, n: knobs_to(c, (c.knobs + d).double() if d.abs().max() > 0.3 else c.knobs + d),
    ),
    "a gain in float64 after a pulse": breach(
        DTYPE, STEADY, pulse=lambda c, d, n: c._replace(knobs=c.knobs + d, gain=c.gain.double()), steps=30
    ),
    "a gain in float64 after a year": breach(
        DTYPE,
        STEADY,
        age=lambda c, s, n: c.ticked(s)._replace(gain=c.gain.double() if s > 3e7 else c.gain),
    ),
    "a gain that grows an axis when pulsed": breach(
        SHAPE,
        STEADY,
        pulse=lambda c, d, n: c._replace(knobs=c.knobs + d, gain=c.gain.expand(*c.knobs.shape[:-2], 2, -1)),
        collect=lambda c, x, n: x @ c.knobs.mT,
        sense=lambda c, u, n: u * c.gain[..., :1, :],
        steps=30,
    ),
    "a clock that loses its axes when a second has passed": breach(
        SHAPE,
        STEADY,
        age=lambda c, s, n: c._replace(clock=(c.clock + s).sum() if s > 1 else c.clock + s),
        steps=30,
    ),
    "a field that is forgotten": breach(
        SHAPE, STEADY, pulse=lambda c, d, n: c._replace(knobs=c.knobs + d, gain=None)
    ),
    "an end of another shape": breach(SHAPE, worn_out=lambda c: (c.knobs > 1e9).any(-1)),
    "an end that is a number": breach(rf"{DTYPE}|bool", worn_out=lambda c: c.knobs.flatten(-3).amax(-1) * 0),
}

STALES: dict[str, Breach] = {
    "weights stale after a pulse": breach(
        STALE, Mismatched(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d)
    ),
    "an amplifier stale after a pulse": stale(pulse=lambda c, d, n: knobs_to(c, c.knobs + d)),
    "an amplifier stale after a pulse above .3": stale(pulse=trimmed_when_small),
    "an amplifier stale after a pulse with noise": stale(
        pulse=lambda c, d, n: (knobs_to if n.normal(d).ndim else lambda c, k: trimmed(knobs_to(c, k)))(
            c, c.knobs + d
        )
    ),
    "neurons stale after a pulse": stale(
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d),
        sense=lambda c, u, n: u,
        fire=lambda c, u, n: (u * c.gain).tanh(),
    ),
    "weights stale under a probe": breach(
        rf"{STALE}|{PERTURB}|prob", Mismatched(), perturb=lambda c, o: knobs_to(c, c.knobs + o)
    ),
    "weights that lag one pulse behind": breach(
        STALE,
        Mismatched(),
        pulse=lambda c, d, n: Mismatched().perturb(c, 0 * d)._replace(knobs=c.knobs + d),
    ),
}

PULSES: dict[str, Breach] = {**ZEROS, **ASTRAY, **BEYOND, **UNSOUND, **STALES}
