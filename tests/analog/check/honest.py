"""Devices that look odd and keep every law; nobody may refuse them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from analog import Device, Fabrication, Ideal, Mismatched, Noise
from analog.devices.ideal import IdealCells
from tests.analog.check.broken.bent import Amplified, bent, coupled, first_of, knobs_to, product


class Fields(NamedTuple):
    """Knobs and any other field."""

    knobs: Tensor
    other: Tensor
    more: Tensor


def with_fields(other: Any, more: Any = None, **functions: Any) -> Device:
    """An ideal device whose cells hold two more fields, each made of (birth, rows, cols)."""

    def fabricate(rows: int, cols: int, birth: Fabrication) -> Fields:
        knobs = birth.normal("knobs", rows, cols) / cols**0.5
        first = other(birth, rows, cols)
        return Fields(knobs, first, more(birth, rows, cols) if more else first)

    sound = {"fabricate": fabricate, "pulse": lambda c, d, n: knobs_to(c, c.knobs + d)}
    return bent(Ideal(), **{**sound, **functions})


def normals(name: str) -> Any:
    return lambda b, r, c: b.normal(name, r, c)


def counter(dtype: torch.dtype) -> Any:
    """A count of pulses in some dtype, one for each tile."""
    return lambda b, r, c: b.uniform("count", 1, 1).mul(0).to(dtype)


def counting(dtype: torch.dtype) -> Device:
    """The count stops at 100; pulses lose strength with it."""
    return with_fields(
        counter(dtype),
        pulse=lambda c, d, n: c._replace(
            knobs=c.knobs + d * (1 - 0.001 * c.other.to(d)),
            other=(c.other + (d != 0).any(-1, keepdim=True).any(-2, keepdim=True).to(c.other)).clamp(max=100),
        ),
    )


def backlash(c: Any, d: Tensor, n: Noise) -> Any:
    """A pulse against the last one's direction loses half; the direction is kept in the cells."""
    turn = c.other * d < 0
    return c._replace(
        knobs=c.knobs + d * torch.where(turn, 0.5, 1.0), other=torch.where(d == 0, c.other, d.sign())
    )


def telegraph(c: Any, s: float, n: Noise) -> Any:
    """Each cell flips between two states at a rate, by the exact law of the Markov chain."""
    chance = 0.5 * (1 - torch.tensor(-2 * s / 1e3).exp().to(c.knobs))
    return c._replace(other=torch.where(n.uniform(c.knobs) < chance, -c.other, c.other))


def heated(c: Any, d: Tensor, n: Noise) -> Any:
    """Pulses heat their tile; the heat leaks along the clock."""
    return c._replace(knobs=c.knobs + d, other=c.other + 0.01 * d.abs().mean((-1, -2), keepdim=True))


def cooled(c: Any, s: float, n: Noise) -> Any:
    return c._replace(other=c.other * torch.tensor(-s / 10).exp().to(c.other))


def ornstein(c: Any, s: float, n: Noise) -> Any:
    keep = torch.tensor(-s / 1e6).exp().to(c.knobs)
    return knobs_to(c, c.knobs * keep + 0.1 * (1 - keep.square()).sqrt() * n.normal(c.knobs))


def drifted(c: Any, s: float, n: Noise) -> Any:
    """Power-law drift with an exponent of each cell and an age kept in the cells."""
    age = c.more + s
    factor = ((1 + age) / (1 + c.more)).log().mul(-0.02 - 0.005 * c.other.tanh()).exp()
    return c._replace(knobs=c.knobs * factor, more=age)


def switched(c: Any, s: float, n: Noise) -> Any:
    keep = torch.tensor(-s / 1e6).exp().to(c.knobs)
    return knobs_to(c, c.knobs * (n.uniform(c.knobs) < keep))


def thresholded(size: float) -> Any:
    return lambda c, d, n: knobs_to(c, c.knobs + torch.where(d.abs() < size, 0 * d, d))


def kept_for(seconds: float, lifetime: float) -> Tensor:
    """The chance to be still there."""
    return torch.tensor(-seconds / lifetime, dtype=torch.float64).exp()


def jumped(c: Any, s: float, n: Noise) -> Any:
    """Every cell falls to a tenth of itself at a rate, once or never: what is left is counted exactly."""
    keep = torch.tensor(-s / 1e6).exp().to(c.knobs)
    return knobs_to(c, torch.where(n.uniform(c.knobs) < keep, c.knobs, 0 * c.knobs))


def cauchy(n: Noise, like: Tensor) -> Tensor:
    return (torch.pi * (n.uniform(like) - 0.5)).clamp(-1.57, 1.57).tan()


def relaxed(c: Any, s: float, n: Noise) -> Any:
    """What a pulse added falls back in part within a second: a fast field leaks, a slow one stays."""
    keep = torch.tensor(-s).exp().to(c.knobs)
    return c._replace(knobs=c.knobs - c.other * (1 - keep), other=c.other * keep)


def fading_window(c: Any, d: Tensor, n: Noise) -> Any:
    window = 1 + c.other
    return c._replace(
        knobs=torch.minimum(torch.maximum(c.knobs + d, -window), window),
    )


@dataclass(frozen=True)
class Complex(Ideal):
    """Admittances in two real fields, read out in phase and squared."""

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> Any:
        return Fields(
            birth.normal("knobs", rows, cols) / cols**0.5,
            birth.normal("imaginary", rows, cols) / cols**0.5,
            birth.uniform("phase", 1, rows),
        )

    def pulse(self, cells: Any, drive: Tensor, noise: Noise) -> Any:
        return knobs_to(cells, cells.knobs + drive)

    def collect(self, cells: Any, x: Tensor, noise: Noise) -> Tensor:
        return product(cells, x) * cells.more.cos() + (x @ cells.other.mT) * cells.more.sin()


def ones(*shape: str) -> Any:
    """A field of ones of an odd shape: axes of rows, cols or 1."""
    return lambda b, r, c: (
        b.uniform("odd", *({"rows": r, "cols": c, "1": 1, "2": 2}[s] for s in shape)) * 0 + 1
    )


def thermal(n: Noise, u: Tensor) -> Tensor:
    """The same for all rows of one example: a wire that all amplifiers share."""
    return n.normal(u[..., :1])


HONEST: dict[str, Device] = {
    "hysteresis": with_fields(lambda b, r, c: b.normal("last", r, c).sign(), pulse=backlash),
    "telegraph noise in cells": with_fields(
        lambda b, r, c: b.normal("state", r, c).sign(),
        collect=lambda c, x, n: x @ (c.knobs + 0.1 * c.other).mT,
        age=telegraph,
    ),
    "telegraph noise at every reading": bent(
        Ideal(), sense=lambda c, u, n: u + 0.1 * (n.uniform(u) < 0.3).to(u)
    ),
    "self-heating that cools along the clock": with_fields(
        lambda b, r, c: b.uniform("heat", 1, 1) * 0,
        pulse=heated,
        age=cooled,
        sense=lambda c, u, n: u * (1 + 0.1 * c.other),
    ),
    "ternary weights by chance": bent(
        Ideal(),
        fabricate=lambda r, c, b: IdealCells(b.normal("knobs", r, c).clamp(-1, 1).round()),
        pulse=lambda c, d, n: knobs_to(
            c,
            torch.where(n.uniform(d) < d.abs().clamp(max=1), (c.knobs + d.sign()).clamp(-1, 1), c.knobs)
            if n._generator is not None
            else (c.knobs + d).clamp(-1, 1),
        ),
    ),
    "comparators": bent(Ideal(), fire=lambda c, u, n: (u + 0.1 * n.normal(u)).sign()),
    "admittances in two real fields": Complex(),
    "a count of pulses in int64": counting(torch.int64),
    "a count of pulses in int16": counting(torch.int16),
    "a count of pulses in uint8": counting(torch.uint8),
    "a count of pulses in bfloat16": counting(torch.bfloat16),
    "a count of pulses in float16": counting(torch.float16),
    "a mask in bool": with_fields(
        lambda b, r, c: b.uniform("mask", r, c) < 0.9,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d * c.other),
        collect=lambda c, x, n: x @ (c.knobs * c.other).mT,
    ),
    "gains in float16": with_fields(
        lambda b, r, c: (1 + 0.1 * b.normal("gain", 1, r)).half(), sense=lambda c, u, n: u * c.other.to(u)
    ),
    "gains in bfloat16": with_fields(
        lambda b, r, c: (1 + 0.1 * b.normal("gain", 1, r)).bfloat16(), sense=lambda c, u, n: u * c.other.to(u)
    ),
    "noise common to the rows of one example": bent(Ideal(), sense=lambda c, u, n: u + 0.1 * thermal(n, u)),
    "noise in every cell at every reading": bent(
        Ideal(), collect=lambda c, x, n: x @ (c.knobs + 0.1 * n.normal(c.knobs)).mT
    ),
    "noise with heavy tails": bent(Ideal(), sense=lambda c, u, n: u + 0.01 * cauchy(n, u)),
    "rare spikes": bent(Ideal(), sense=lambda c, u, n: u + (n.uniform(u) > 0.999).to(u)),
    "shot noise": bent(
        Ideal(), sense=lambda c, u, n: u + 0.1 * u.abs().clamp(min=1e-12).sqrt() * n.normal(u)
    ),
    "noise that is tiny": bent(Ideal(), sense=lambda c, u, n: u + 1e-12 * n.normal(u)),
    "noise that is huge": bent(Ideal(), sense=lambda c, u, n: u + 1e3 * n.normal(u)),
    "noise of one sign": bent(Ideal(), sense=lambda c, u, n: u + 0.1 * n.normal(u).abs()),
    "noise that changes signs": bent(Ideal(), fire=lambda c, u, n: u * (n.uniform(u) < 0.8)),
    "noise that is drawn and not used": bent(
        Ideal(), sense=lambda c, u, n: u + 0 * n.normal(u) * n.uniform(u)
    ),
    "noise of knobs that grows with them": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 0.1 * c.knobs * n.normal(d)))
    ),
    "write noise common to a row": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 0.1 * n.normal(d[..., :1])))
    ),
    "write noise common to a column": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 0.1 * n.normal(d[..., :1, :])))
    ),
    "pulses of which a third fail": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (n.uniform(d) < 0.67))
    ),
    "half-selected cells that are disturbed, as it says": bent(
        coupled(Ideal(), "cells"),
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d + (1e-3 * d).sum(-1, keepdim=True)),
    ),
    "a batch that shares a supply, as it says": bent(
        coupled(Ideal(), "examples"), sense=lambda c, u, n: u / (1 + 0.01 * u.square().mean(-2, keepdim=True))
    ),
    "tiles that share a supply and its noise, as they say": bent(
        coupled(Ideal(), "tiles"),
        sense=lambda c, u, n: (
            u / (1 + 0.01 * u.square().mean((-1, -3), keepdim=True)) + 0.1 * n.normal(u[..., :1, :, :])
        ),
    ),
    "a fleet that shares a supply and its noise, as it says": bent(
        coupled(Ideal(), "chips"),
        sense=lambda c, u, n: u + 0.1 * (first_of(z, -4) if (z := n.normal(u)).ndim else z),
    ),
    "examples that share noise, as they say": bent(
        coupled(Ideal(), "examples"), sense=lambda c, u, n: u + 0.1 * n.normal(u[..., :1, :])
    ),
    "a dead zone of .02": bent(Ideal(), sense=lambda c, u, n: u.sign() * (u.abs() - 0.02).relu()),
    "a threshold of .01 for pulses": bent(Ideal(), pulse=thresholded(0.01)),
    "softmax over the rows": bent(Ideal(), fire=lambda c, u, n: u.softmax(-1)),
    "inhibition between rows": bent(
        Ideal(), fire=lambda c, u, n: (u - 0.5 * u.mean(-1, keepdim=True)).relu()
    ),
    "the winning row alone": bent(Ideal(), fire=lambda c, u, n: u * (u == u.amax(-1, keepdim=True))),
    "a norm over the rows": bent(
        Ideal(), fire=lambda c, u, n: u / (0.1 + u.square().mean(-1, keepdim=True)).sqrt()
    ),
    "a gain by the chip's temperature": with_fields(
        lambda b, r, c: b.normal("kelvin", 1, 1), sense=lambda c, u, n: u * (1 + 0.01 * c.other)
    ),
    "a field alike for all chips": with_fields(
        ones("rows", "cols"), collect=lambda c, x, n: x @ (c.knobs * c.other).mT
    ),
    "fields of odd shapes": with_fields(
        ones("2", "1"), ones("1", "cols"), collect=lambda c, x, n: product(c, x * c.more)
    ),
    "a field of one axis": with_fields(ones("2"), ones()),
    "a bounded diffusion": bent(Ideal(), age=ornstein),
    "a random walk": bent(
        Ideal(), age=lambda c, s, n: knobs_to(c, c.knobs + 1e-4 * s**0.5 * n.normal(c.knobs))
    ),
    "a random walk of the logarithm": bent(
        Ideal(), age=lambda c, s, n: knobs_to(c, c.knobs * (1e-5 * s**0.5 * n.normal(c.knobs)).exp())
    ),
    "power-law drift with exponents of cells": with_fields(
        normals("nu"), lambda b, r, c: b.uniform("age", 1, 1) * 0, age=drifted
    ),
    "cells that fall back by chance": bent(Ideal(), age=switched),
    "an exponential leak": bent(Ideal(), age=lambda c, s, n: knobs_to(c, c.knobs * 2 ** (-s / 1e5))),
    "a leak computed in single precision": bent(
        Ideal(), age=lambda c, s, n: knobs_to(c, c.knobs * torch.exp(torch.tensor(-s / 0.7)))
    ),
    "an amplifier's random walk": bent(
        Amplified(), age=lambda c, s, n: c.ticked(s)._replace(gain=c.gain + 1e-5 * s**0.5 * n.normal(c.gain))
    ),
    "noise that grows along the clock": bent(
        Amplified(), sense=lambda c, u, n: u * c.gain + 1e-2 * (1 + c.clock).log() * n.normal(u)
    ),
    "pulses that relax within a second": with_fields(
        lambda b, r, c: b.normal("knobs", r, c) * 0,
        pulse=lambda c, d, n: c._replace(knobs=c.knobs + d, other=c.other + 0.2 * d),
        age=relaxed,
    ),
    "bounds of each cell": with_fields(
        lambda b, r, c: 4 + b.uniform("window", r, c),
        pulse=fading_window,
        bounds=lambda c: (-1 - c.other, 1 + c.other),
    ),
    "pulses stronger up than down": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + torch.where(d > 0, d, 0.6 * d))
    ),
    "cells that are stuck": with_fields(
        lambda b, r, c: b.uniform("alive", r, c) < 0.9,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d * c.other),
    ),
    "a tenth of the cells pulsed backwards": with_fields(
        lambda b, r, c: torch.where(b.uniform("sign", r, c) < 0.1, -1.0, 1.0).to(b.uniform("sign", 1, 1)),
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d * c.other),
    ),
    "wires that sag within a tile": bent(
        Ideal(), collect=lambda c, x, n: (u := product(c, x)) / (1 + 0.01 * u.square().mean(-1, keepdim=True))
    ),
    "a read-out that saturates": bent(Ideal(), sense=lambda c, u, n: u.tanh(), fire=lambda c, u, n: u),
    "conductances that are exponential": bent(
        Ideal(),
        collect=lambda c, x, n: x @ (c.knobs.clamp(-5, 5).exp() - 1).mT,
        fire=lambda c, u, n: u.tanh(),
    ),
    "converters that round when noise is on": bent(
        Ideal(), sense=lambda c, u, n: n.round_to_nearest(u * 64) / 64
    ),
    "converters that always round": bent(Ideal(), sense=lambda c, u, n: (u * 64).round() / 64),
    "converters that clip": bent(Ideal(), sense=lambda c, u, n: u.clamp(-3, 3)),
    "a chip that is worn out by itself": bent(
        Ideal(), worn_out=lambda c: (c.knobs.abs() > 4).flatten(-3).any(-1)
    ),
    "an end by the clock": bent(Amplified(), worn_out=lambda c: (c.clock > 2e7).flatten(-3).any(-1)),
    "neurons without bias that are softplus": bent(
        Ideal(), fire=lambda c, u, n: torch.nn.functional.softplus(u)
    ),
    "cells of an effect inside": bent(Mismatched(severity=2.0)),
    "a phase-change cell that is only ever set": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d.clamp(min=0))
    ),
    "neurons that fire by chance": bent(Ideal(), fire=lambda c, u, n: n.stochastic_round(u.sigmoid())),
    "neurons that fire by chance, and by a threshold without it": bent(
        Ideal(), fire=lambda c, u, n: (n.uniform(u) < u.sigmoid()).to(u)
    ),
    "inputs that are rounded": bent(
        Ideal(), collect=lambda c, x, n: product(c, n.round_to_nearest(x * 16) / 16)
    ),
    "a field without entries": with_fields(lambda b, r, c: b.normal("none", 0)),
    "a field that is expanded": with_fields(
        lambda b, r, c: b.normal("gain", 1, 1).exp().expand(*b.normal("k", r, c).shape),
        collect=lambda c, x, n: x @ (c.knobs * c.other).mT,
    ),
    "a field that lies across": with_fields(
        lambda b, r, c: b.normal("gain", c, r).exp().mT, collect=lambda c, x, n: x @ (c.knobs * c.other).mT
    ),
    "noise of reads that is discrete": bent(
        Ideal(), sense=lambda c, u, n: u + 0.1 * (n.uniform(u) * 3).floor()
    ),
    "noise of the third power": bent(Ideal(), sense=lambda c, u, n: u + 0.01 * n.normal(u) ** 3),
    "noise by the sum of two draws, used crosswise": bent(
        Ideal(), sense=lambda c, u, n: u + 0.1 * n.normal(u).flip(-1) + 0.1 * n.normal(u)
    ),
    "write noise thrice the drive": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 3 * n.normal(d)))
    ),
    "jumps of a compound Poisson process": bent(Ideal(), age=jumped),
    "a window of .1": bent(
        Ideal(),
        fabricate=lambda r, c, b: IdealCells(0.1 * b.normal("k", r, c).tanh()),
        pulse=lambda c, d, n: knobs_to(c, (c.knobs + d).clamp(-0.1, 0.1)),
        bounds=lambda c: (torch.full_like(c.knobs, -0.1), torch.full_like(c.knobs, 0.1)),
    ),
    "steps that shrink at the window": bent(
        Ideal(),
        fabricate=lambda r, c, b: IdealCells(b.normal("k", r, c).tanh()),
        pulse=lambda c, d, n: knobs_to(c, (c.knobs + d.clamp(-1, 1) * (1 - d.sign() * c.knobs)).clamp(-1, 1)),
        bounds=lambda c: (torch.full_like(c.knobs, -1.0), torch.full_like(c.knobs, 1.0)),
    ),
    "read noise of the cells' own size": with_fields(
        lambda b, r, c: b.uniform("size", 1, r), sense=lambda c, u, n: u + c.other * n.normal(u)
    ),
    "noise that a tenth of the rows have": with_fields(
        lambda b, r, c: b.uniform("noisy", 1, r) < 0.1, sense=lambda c, u, n: u + c.other * n.normal(u)
    ),
    "writes of which one in 500 fails": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (n.uniform(d) > 0.002))
    ),
    "writes of which one in 50,000 fails": bent(
        Ideal(), pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (n.uniform(d) > 2e-5))
    ),
    "one cell in a million seconds that lets go": bent(
        Ideal(),
        age=lambda c, s, n: knobs_to(c, c.knobs * (n.uniform(c.knobs) < kept_for(s, 1e9).to(c.knobs))),
    ),
    "noise of one row in a hundred": bent(
        Ideal(), sense=lambda c, u, n: u + n.normal(u) * (n.uniform(u[..., :1]) > 0.99)
    ),
    "a spike of one reading in 300": bent(
        Ideal(), fire=lambda c, u, n: u.relu() + (n.uniform(u[..., :1]) > 0.997).to(u)
    ),
    "a comparator with hysteresis in its cells": with_fields(
        lambda b, r, c: 0.1 * b.normal("threshold", 1, r),
        sense=lambda c, u, n: (u - c.other + 0.01 * n.normal(u)).sign(),
    ),
    "a neuron that is dead below a threshold": bent(Ideal(), fire=lambda c, u, n: (u - 0.5).relu()),
    "neurons of the square": bent(Ideal(), fire=lambda c, u, n: u.square()),
    "neurons of the square root": bent(Ideal(), fire=lambda c, u, n: u.abs().add(1e-6).sqrt()),
    "a read-out of the logarithm": bent(Ideal(), sense=lambda c, u, n: u.sign() * u.abs().log1p()),
    "a DAC that saturates": bent(Ideal(), collect=lambda c, x, n: product(c, x.clamp(-2, 2))),
}
