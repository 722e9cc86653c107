"""Devices that break a law in a corner alone: of a sign, a size, a count, a mode of torch, a moment."""

import datetime
import time
from dataclasses import dataclass
from functools import cache
from time import time as now
from typing import Any

import torch
from torch import Generator, Tensor

from analog import Device, Ideal, Noise
from analog.devices.ideal import IdealCells

from .bent import (
    AGING,
    BOUNDS,
    EXAMPLES,
    FINITE,
    GRADIENT,
    NOISE,
    NOISE_OF_CALLS,
    NOISE_OF_CHIPS,
    NOISE_OF_EXAMPLES,
    PERTURB,
    PROBES,
    PULSE,
    PURE,
    STATE,
    ZERO,
    Amplified,
    Breach,
    bent,
    breach,
    first_of,
    has_probes,
    knobs_to,
    product,
)

STEADY = Amplified()


def shared_where(chosen: Any, axis: int) -> Any:
    """Noise of the first along an axis given to all, where the signal is one of the chosen."""

    def sense(c: Any, u: Tensor, n: Noise) -> Tensor:
        z = n.normal(u)
        return u + 0.1 * torch.where(chosen(u), first_of(z, axis), z) if z.ndim else u

    return sense


def peeked(noise: Noise) -> Noise:
    """The numbers that will be drawn next, which are not used up."""
    held = noise._generator
    if held is None:
        return noise
    alike = [Generator().set_state(g.get_state()) for g in ([held] if isinstance(held, Generator) else held)]
    return Noise(alike[0] if isinstance(held, Generator) else alike, noise._lead, noise._rank)


def reseeding(c: Any, d: Tensor, n: Noise) -> Any:
    """Noise begins anew with every pulse."""
    if isinstance(n._generator, Generator):
        n._generator.manual_seed(1)
    return knobs_to(c, c.knobs + d)


def writes_shared_where(chosen: Any) -> Any:
    def pulse(c: Any, d: Tensor, n: Noise) -> Any:
        z = n.normal(d)
        return knobs_to(
            c, c.knobs + d * (1 + 0.1 * (torch.where(chosen(d), first_of(z, -4), z) if z.ndim else z))
        )

    return pulse


def drifts_shared_within(low: float, high: float) -> Any:
    def age(c: Any, s: float, n: Noise) -> Any:
        z = n.normal(c.knobs)
        return knobs_to(c, c.knobs + 1e-3 * s**0.5 * (first_of(z, -4) if z.ndim and low < s < high else z))

    return age


def warming_up() -> Device:
    """Its first readings are weaker, those of the device and not of a chip."""
    device = bent(Ideal())
    object.__setattr__(device, "readings", 0)

    def sense(c: Any, u: Tensor, n: Any) -> Tensor:
        object.__setattr__(device, "readings", min(5, device.readings + 1))  # type: ignore[attr-defined]
        return u * (0.9 + 0.02 * device.readings)  # type: ignore[attr-defined]

    return bent(device, sense=sense)


def remembering() -> Device:
    """What was sensed once is not sensed again."""
    known: dict[tuple[torch.Size, torch.Size, bytes], Tensor] = {}

    def sense(c: Any, u: Tensor, n: Noise) -> Tensor:
        fresh = u + 0.1 * n.normal(u)
        if not fresh.requires_grad and n._generator is not None:
            fresh = known.setdefault((u.shape, fresh.shape, u.detach().numpy().tobytes()), fresh)
        return fresh

    return bent(Ideal(), sense=sense)


@cache
def remembered_gain(rows: int) -> list[float]:
    return [1.0]


def learning_gain() -> Device:
    """A cached list that every reading stretches."""

    def sense(c: Any, u: Tensor, n: Noise) -> Tensor:
        gain = remembered_gain(u.shape[-1])
        gain[0] *= 1.0001
        return u * gain[0]

    return bent(Ideal(), sense=sense)


@dataclass(frozen=True)
class Daily(Ideal):
    """A gain of the day."""

    def sense(self, cells: IdealCells, u: Tensor, noise: Noise) -> Tensor:
        return u * (1 + 1e-3 * (int(now() // 86400) % 7))


@dataclass(frozen=True)
class Yearly(Ideal):
    """A gain of the day of the year."""

    def sense(self, cells: IdealCells, u: Tensor, noise: Noise) -> Tensor:
        return u * (1 + 1e-3 * time.gmtime().tm_yday)


@dataclass(frozen=True)
class Weekly(Ideal):
    """Pulses of the day of the week."""

    def pulse(self, cells: IdealCells, drive: Tensor, noise: Noise) -> IdealCells:
        return IdealCells(cells.knobs + drive * (1 + 1e-3 * datetime.date.today().weekday()))


def unrecorded(act: Any) -> Any:
    """In place where no gradient is recorded, as on the wires of a chip."""

    def sense(c: Any, u: Tensor, n: Noise) -> Tensor:
        if not torch.is_grad_enabled():
            act(c, u)
        return u

    return sense


def fallen_back(c: Any, s: float, n: Noise) -> Any:
    """What a pulse added falls back, anew at every look."""
    rest = c.gain / (1 + s) ** 0.1
    return c._replace(knobs=c.knobs * (1 - (c.gain - rest).mean(-1, keepdim=True)), gain=rest)


def excited(c: Any, d: Tensor, n: Noise) -> Any:
    return c._replace(knobs=c.knobs + d, gain=c.gain + 0.1 * d.abs().mean(-1, keepdim=True).mT)


def calm(r: int, c: int, b: Any) -> Any:
    made = STEADY.fabricate(r, c, b)
    return made._replace(gain=0 * made.gain)


def inside_unit(r: int, c: int, b: Any) -> Any:
    return knobs_to(STEADY.fabricate(r, c, b), b.normal("k", r, c).clamp(-1, 1))


def unit_bounds(c: Any) -> tuple[Tensor, Tensor]:
    return -torch.ones_like(c.knobs), torch.ones_like(c.knobs)


def after_a_while(c: Any) -> Tensor:
    """One for cells that are older than ten seconds."""
    return (c.clock > 10).to(c.knobs)


CORNERS: dict[str, Breach] = {
    "noise of negative sums shared by the batch": breach(
        NOISE_OF_EXAMPLES, sense=shared_where(lambda u: u < 0, -2)
    ),
    "noise of large sums shared by the batch": breach(
        NOISE_OF_EXAMPLES, sense=shared_where(lambda u: u.abs() > 5, -2)
    ),
    "noise of small sums shared by the batch": breach(
        NOISE_OF_EXAMPLES, sense=shared_where(lambda u: u.abs() < 0.1, -2)
    ),
    "noise of negative sums shared by the fleet": breach(
        NOISE_OF_CHIPS, sense=shared_where(lambda u: u < 0, -4)
    ),
    "noise shared by the batch in layers of one tile": breach(
        NOISE_OF_EXAMPLES, sense=shared_where(lambda u: torch.tensor(u.shape[-3] == 1), -2)
    ),
    "noise shared by the batch in layers of several tiles": breach(
        NOISE_OF_EXAMPLES, sense=shared_where(lambda u: torch.tensor(u.shape[-3] > 1), -2)
    ),
    "noise shared by fleets above eight": breach(
        NOISE_OF_CHIPS, sense=shared_where(lambda u: torch.tensor(u.ndim > 3 and u.shape[-4] > 8), -4)
    ),
    "noise shared by batches above 64": breach(
        NOISE_OF_EXAMPLES, sense=shared_where(lambda u: torch.tensor(u.shape[-2] > 64), -2)
    ),
    "noise shared by the batch in float32": breach(
        NOISE_OF_EXAMPLES, sense=shared_where(lambda u: torch.tensor(u.dtype == torch.float32), -2)
    ),
    "write noise of pulses down shared by the fleet": breach(
        NOISE_OF_CHIPS, pulse=writes_shared_where(lambda d: d < 0)
    ),
    "write noise of pulses above .5 shared by the fleet": breach(
        NOISE_OF_CHIPS, pulse=writes_shared_where(lambda d: d.abs() > 0.5)
    ),
    "random drift of short waits shared by the fleet": breach(
        NOISE_OF_CHIPS, age=drifts_shared_within(0, 0.1)
    ),
    "random drift of an hour shared by the fleet": breach(NOISE_OF_CHIPS, age=drifts_shared_within(1e3, 1e4)),
    "an amplifier that peeks at the neurons' noise": breach(
        NOISE,
        sense=lambda c, u, n: u + 0.1 * peeked(n).normal(u),
        fire=lambda c, u, n: (u + 0.1 * n.normal(u)).relu(),
    ),
    "write noise that peeks at the drift to come": breach(
        NOISE,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 0.1 * peeked(n).normal(d))),
        age=lambda c, s, n: knobs_to(c, c.knobs + 1e-4 * s**0.5 * n.normal(c.knobs)),
    ),
    "noise that begins anew with every pulse": breach(
        rf"{NOISE_OF_CALLS}|generator", pulse=reseeding, sense=lambda c, u, n: u + 0.1 * n.normal(u)
    ),
    "a device that warms up": Breach(warming_up, STATE),
    "readings that are remembered": Breach(remembering, rf"{NOISE_OF_CALLS}|{STATE}"),
    "a cached gain that readings stretch": Breach(learning_gain, STATE),
    "a gain of the day": Breach(Daily, STATE),
    "a gain of the day of the year": Breach(Yearly, STATE),
    "pulses of the day of the week": Breach(Weekly, STATE),
    "cells altered where no gradient is recorded": breach(
        PURE, sense=unrecorded(lambda c, u: c.knobs.mul_(0.999))
    ),
    "sums altered where no gradient is recorded": breach(PURE, sense=unrecorded(lambda c, u: u.mul_(0.999))),
    "a batch that leaks where no gradient is recorded": breach(
        rf"{EXAMPLES}|{GRADIENT}",
        sense=lambda c, u, n: u if torch.is_grad_enabled() else u + 0.01 * u.mean(-2, keepdim=True),
    ),
    "cells altered by a batch above 64": breach(
        PURE, sense=lambda c, u, n: (c.knobs.mul_(0.999), u)[1] if u.shape[-2] > 64 else u
    ),
    "a relaxation after pulses, anew at every look": breach(
        AGING, STEADY, fabricate=calm, pulse=excited, sense=lambda c, u, n: u, age=fallen_back
    ),
    "cells above 1.5 that drift anew at every look": breach(
        AGING,
        age=lambda c, s, n: knobs_to(
            c, torch.where(c.knobs.abs() > 1.5, c.knobs * (1 + s) ** -0.05, c.knobs)
        ),
    ),
    "pulses backwards after a while": breach(
        PULSE, STEADY, pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 - 2 * after_a_while(c)))
    ),
    "pulses down that move up": breach(
        PULSE, pulse=lambda c, d, n: knobs_to(c, c.knobs + torch.where(d > 0, 2 * d, -0.5 * d))
    ),
    "a probe clamped after a while": breach(
        PERTURB,
        STEADY,
        perturb=lambda c, o: knobs_to(c, c.knobs + torch.where(c.clock > 10, o.clamp(-0.1, 0.1), o)),
    ),
    "bounds passed after a while": breach(
        BOUNDS,
        STEADY,
        fabricate=inside_unit,
        pulse=lambda c, d, n: knobs_to(
            c, torch.where(d == 0, c.knobs, (c.knobs + d).clamp(-1, 1) * (1 + 0.1 * after_a_while(c)))
        ),
        bounds=unit_bounds,
        steps=100,
    ),
    "a silent pulse of zero that relaxes": breach(
        ZERO,
        pulse=lambda c, d, n: knobs_to(
            c, c.knobs + d if n.normal(d).ndim else torch.where(d == 0, 0.999 * c.knobs, c.knobs + d)
        ),
    ),
    "a pulse of zero that disturbs a lone chip": breach(
        ZERO, pulse=lambda c, d, n: knobs_to(c, c.knobs + d + 1e-3 * (d == 0) * (d.ndim == 3))
    ),
    "a pulse of zero that disturbs in float64": breach(
        ZERO, pulse=lambda c, d, n: knobs_to(c, c.knobs + d + 1e-3 * (d == 0) * (d.dtype == torch.float64))
    ),
    "no number for inputs of 1e-30": breach(
        FINITE,
        collect=lambda c, x, n: (
            product(c, x) / ((x.square().sum(-1, keepdim=True) + (x == 0).all(-1, keepdim=True)).sqrt())
        ),
    ),
    "no number for sums above 65,504": breach(FINITE, sense=lambda c, u, n: u + 0 * u.detach().half().to(u)),
    "no number for an input of 1": breach(
        FINITE,
        collect=lambda c, x, n: (
            product(c, torch.where(x == 1, torch.nan, x)) if x.shape[-1] == 6 else product(c, x)
        ),
    ),
    "no number for one black input among others": breach(
        FINITE,
        collect=lambda c, x, n: product(
            c, torch.where((x == 0) & (x != 0).any(-1, keepdim=True), torch.nan, x)
        ),
    ),
    "a wrong slope above ten volts": breach(
        GRADIENT,
        sense=lambda c, u, n: torch.where(
            u.abs() > 10, 10 * u.sign() + 0.5 * (u - 10 * u.sign()).detach(), u
        ),
    ),
    "a wrong slope under a probe": breach(
        rf"{GRADIENT}|slope", sense=lambda c, u, n: 0.5 * u + 0.5 * u.detach() if has_probes(u) else u
    ),
    "a gain that hears the count of axes": breach(
        rf"{PROBES}|fleet|chip", sense=lambda c, u, n: u * (1 + 0.01 * max(0, u.ndim - 5))
    ),
    "an end by the wall clock": breach(
        STATE, worn_out=lambda c: torch.full(c.knobs.shape[:-3], int(time.perf_counter() * 1e3) % 2 == 0)
    ),
    "bounds by torch's dice, put back": breach(
        STATE, bounds=lambda c: (-put_back(c.knobs), put_back(c.knobs))
    ),
    "a probe by torch's dice, put back": breach(
        rf"{STATE}|{PERTURB}", perturb=lambda c, o: knobs_to(c, c.knobs + o + 1e-12 * put_back(o))
    ),
    "ageing by torch's dice, put back": breach(
        STATE, age=lambda c, s, n: knobs_to(c, c.knobs + 1e-4 * s**0.5 * put_back(c.knobs))
    ),
}


def put_back(like: Tensor) -> Tensor:
    """Numbers between 1 and 2 of torch's global generator, which is put back."""
    before = torch.get_rng_state()
    drawn = 1 + torch.rand(like.shape, dtype=torch.float64).to(like)
    torch.set_rng_state(before)
    return drawn
