"""Devices whose ageing does not run along the clock: not additive, not idle in no time, or stale."""

import time
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog import Fabrication, Mismatched, Noise

from .bent import AGING, FINITE, NOISE, STALE, STATE, Amplified, Breach, breach, knobs_to

STEADY = Amplified()
COUNT = 1e-3  # of a wait, however long


class Counted(NamedTuple):
    knobs: Tensor
    calls: Tensor  # (*fleet, tiles, 1, 1)


def counted(rows: int, cols: int, birth: Fabrication) -> Counted:
    return Counted(birth.normal("knobs", rows, cols) / cols**0.5, 0 * birth.uniform("calls", 1, 1))


class Random(NamedTuple):
    knobs: Tensor
    z: Tensor  # (*fleet, tiles, rows, cols)


def random(rows: int, cols: int, birth: Fabrication) -> Random:
    return Random(birth.normal("knobs", rows, cols) / cols**0.5, birth.normal("z", rows, cols))


def run_away(knobs: Tensor, seconds: float) -> Tensor:
    """How much larger (..., 1, rows) the amplifier of a row gets that has a large knob."""
    far = knobs.abs().amax(-1).unsqueeze(-2) > 4
    return torch.where(far, torch.tensor(seconds / 1e5).exp2(), 1.0).to(knobs)


def half_clock(c: Any, s: float, n: Noise) -> Any:
    """A clock kept in float16 loses short waits beside a long one."""
    clock = (c.clock.half() + min(s, 6e4)).clamp(max=6e4).to(c.clock)
    return c._replace(clock=clock, gain=c.gain * (-(clock - c.clock) / 1e3).exp())


def drift_noise(power: float) -> Any:
    return lambda c, s, n: knobs_to(c, c.knobs + 1e-6 * s**power * n.normal(c.knobs))


def laplace(c: Any, s: float, n: Noise) -> Any:
    v = n.uniform(c.knobs) - 0.5
    return knobs_to(c, c.knobs - 0.01 * s**0.5 * v.sign() * torch.log1p(-2 * v.abs().clamp(max=0.4999999)))


def euler(c: Any, s: float, n: Noise) -> Any:
    """An Ornstein-Uhlenbeck walk by one step of Euler, wide and far beyond its time constant."""
    return knobs_to(c, c.knobs * (1 - min(s / 1e8, 1.0)) + 1e-6 * s**0.5 * n.normal(c.knobs))


def tempered(rows: int, cols: int, birth: Fabrication) -> Any:
    return STEADY.fabricate(rows, cols, birth)


ADDITIVE: dict[str, Breach] = {
    "a spread that grows with t": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs + 1e-9 * s * n.normal(c.knobs))
    ),
    "a spread that grows with the fourth root of t": breach(AGING, age=drift_noise(0.25)),
    "a spread that is the same at every wait": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs + 1e-3 * n.normal(c.knobs))
    ),
    "a spread that stops growing after a second": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs + 1e-3 * min(s, 1.0) ** 0.5 * n.normal(c.knobs))
    ),
    "a spread that is not additive beside a uniform": breach(
        AGING,
        age=lambda c, s, n: knobs_to(c, c.knobs * (1 + s) ** -0.05 + 0 * n.uniform(c.knobs)),
    ),
    "a spread by draws of the birth": breach(
        AGING,
        fabricate=random,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d),
        age=lambda c, s, n: knobs_to(c, c.knobs + 1e-4 * s**0.5 * c.z),
    ),
    "switches with a chance that is linear in time": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs * (n.uniform(c.knobs) >= 0.9 * min(s / 1e6, 1.0)))
    ),
    "jumps whose sum is another law": breach(AGING, age=laplace),
    "a walk to its end by one step": breach(AGING, age=euler),
    "an amplifier that drifts anew at every look": breach(
        AGING, STEADY, age=lambda c, s, n: c._replace(gain=c.gain * (1 + s) ** -0.05)
    ),
    "an amplifier that ages in no time": breach(
        AGING, STEADY, age=lambda c, s, n: c._replace(gain=c.gain * 0.999)
    ),
    "neurons whose threshold drifts anew at every look": breach(
        AGING,
        STEADY,
        sense=lambda c, u, n: u,
        fire=lambda c, u, n: (u - c.gain + 1).relu(),
        age=lambda c, s, n: c._replace(gain=c.gain + 0.01 * s**0.3),
    ),
    "an amplifier's random drift with a spread that grows with t": breach(
        AGING, STEADY, age=lambda c, s, n: c._replace(gain=c.gain + 1e-9 * s * n.normal(c.gain))
    ),
    "pulses that fade by the number of waits": breach(
        AGING,
        STEADY,
        sense=lambda c, u, n: u,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + c.gain.mT * d),
        age=lambda c, s, n: c._replace(gain=c.gain * (1 + s) ** -0.05),
    ),
    "waits below a second forgotten": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs * 2 ** (-int(s) / 1e6))
    ),
    "waits below a second forgotten, of an amplifier": breach(
        AGING, STEADY, age=lambda c, s, n: c._replace(gain=c.gain * 2 ** (-int(s) / 1e3))
    ),
    "waits below a millisecond forgotten": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs * 2 ** (-round(s, 3)))
    ),
    "waits above an hour cut short": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs * 2 ** (-min(s, 3600.0) / 1e6))
    ),
    "a leak that is linear at every wait": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs * max(0.0, 1 - s / 1e7))
    ),
    "a leak of a share by the number of waits": breach(
        AGING, age=lambda c, s, n: knobs_to(c, c.knobs * (1 - COUNT * (s > 0)))
    ),
    "a clock in float16": breach(AGING, STEADY, age=half_clock),
    "an amplifier that runs away with time once it was pulsed far": breach(
        FINITE, STEADY, age=lambda c, s, n: c._replace(gain=c.gain * run_away(c.knobs, s))
    ),
    "a wear that counts waits": breach(
        AGING,
        fabricate=counted,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d),
        sense=lambda c, u, n: u * 0.99**c.calls,
        age=lambda c, s, n: c._replace(calls=c.calls + 1),
    ),
    "an end that counts waits": breach(
        AGING,
        fabricate=counted,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d),
        age=lambda c, s, n: c._replace(calls=c.calls + 1),
        worn_out=lambda c: (c.calls > 30).flatten(-3).any(-1),
        steps=50,
    ),
    "noise that wakes up at every wait": breach(
        AGING,
        STEADY,
        sense=lambda c, u, n: u + 0.01 * c.clock * n.normal(u),
        age=lambda c, s, n: c._replace(clock=c.clock + s**0.5),
    ),
    "a drift in no time, above one volt": breach(
        AGING, age=lambda c, s, n: knobs_to(c, torch.where(c.knobs.abs() > 1, 0.99 * c.knobs, c.knobs))
    ),
}

OTHER_AGING: dict[str, Breach] = {
    "an age that divides by the time": breach(
        rf"{FINITE}|{AGING}",
        age=lambda c, s, n: knobs_to(c, c.knobs * (-0.01 * torch.tensor(s).log()).exp().to(c.knobs)),
    ),
    "a drift without end in an amplifier": breach(
        FINITE, STEADY, age=lambda c, s, n: c._replace(gain=c.gain * torch.tensor(s / 1e5).exp2().to(c.gain))
    ),
    "an age that reads the wall clock": breach(
        STATE,
        STEADY,
        sense=lambda c, u, n: u * (1 + 1e-3 * c.clock),
        age=lambda c, s, n: c._replace(clock=c.clock * 0 + time.perf_counter()),
    ),
    "an age that draws by itself": breach(
        rf"{STATE}|{NOISE}",
        age=lambda c, s, n: knobs_to(c, c.knobs + 1e-4 * s**0.5 * torch.randn_like(c.knobs)),
    ),
    "weights that do not drift with the knobs": breach(
        STALE, Mismatched(), age=lambda c, s, n: c._replace(knobs=c.knobs * 2 ** (-s / 1e6))
    ),
    "an amplifier that does not drift with the knobs it is trimmed to": breach(
        STALE,
        STEADY,
        fabricate=lambda r, c, b: trimmed(tempered(r, c, b)),
        pulse=lambda c, d, n: trimmed(knobs_to(c, c.knobs + d)),
        perturb=lambda c, o: trimmed(knobs_to(c, c.knobs + o)),
        age=lambda c, s, n: knobs_to(c, c.knobs * 2 ** (-s / 1e6)),
    ),
    "neurons that do not drift with the knobs they are trimmed to": breach(
        STALE,
        STEADY,
        fabricate=lambda r, c, b: trimmed(tempered(r, c, b)),
        pulse=lambda c, d, n: trimmed(knobs_to(c, c.knobs + d)),
        perturb=lambda c, o: trimmed(knobs_to(c, c.knobs + o)),
        sense=lambda c, u, n: u,
        fire=lambda c, u, n: (u * c.gain).tanh(),
        age=lambda c, s, n: knobs_to(c, c.knobs * 2 ** (-s / 1e6)),
    ),
}


def trimmed(c: Any) -> Any:
    """An amplifier's gain is worked out from the knobs of its row."""
    return c._replace(gain=1 / (1 + c.knobs.square().mean(-1, keepdim=True).mT))


AGINGS: dict[str, Breach] = {**ADDITIVE, **OTHER_AGING}
