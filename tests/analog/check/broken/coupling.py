"""Devices whose examples, tiles, probes or chips influence each other's response."""

from typing import Any

import torch
from torch import Tensor

from analog import Ideal

from .bent import (
    CHIPS,
    EXAMPLES,
    NOISE,
    PERTURB,
    PROBES,
    TILES,
    Amplified,
    Breach,
    breach,
    coupled,
    has_probes,
    knobs_to,
    product,
)


def index(u: Tensor, axis: int) -> Tensor:
    """The number of each entry along an axis, which broadcasts against u."""
    return torch.arange(u.shape[axis]).to(u).reshape(-1, *[1] * (-axis - 1))


def leak(u: Tensor, axis: int, share: float = 0.01) -> Tensor:
    """A share of the mean along an axis added to every entry."""
    return u + share * u.mean(axis, keepdim=True)


def size_gain(u: Tensor, axis: int) -> Tensor:
    """A gain that falls with the number of entries along an axis."""
    return u * (1 + 0.01 * u.shape[axis])


def block_float(u: Tensor, axis: int) -> Tensor:
    """Eight bits with an exponent shared along an axis; the slope is that of a wire."""
    step = u.detach().abs().amax(axis, keepdim=True).clamp(min=1e-9).log2().ceil().exp2() / 128
    return u + ((u / step).round() * step - u).detach()


def fleet_only(u: Tensor) -> bool:
    return u.ndim >= 4


def shared_limit(c: Any) -> Tensor:
    """One limit for all chips of a fleet, by the largest gain of any of them."""
    return (1 + c.gain.max()).expand_as(c.knobs)


BATCHES: dict[str, Breach] = {
    "a batch-norm gain": breach(
        EXAMPLES, sense=lambda c, u, n: u / (0.5 + u.square().mean(-2, keepdim=True).sqrt())
    ),
    "a leak of the batch mean into collect": breach(
        EXAMPLES, collect=lambda c, x, n: leak(product(c, x), -2)
    ),
    "a leak of the batch mean into sense": breach(EXAMPLES, sense=lambda c, u, n: leak(u, -2, 1e-4)),
    "a leak of the batch mean into fire": breach(EXAMPLES, fire=lambda c, u, n: leak(u, -2).relu()),
    "inputs scaled by the batch": breach(
        EXAMPLES, collect=lambda c, x, n: product(c, x / (1 + x.norm(dim=-2, keepdim=True)))
    ),
    "a gain by the number of the example": breach(
        EXAMPLES, sense=lambda c, u, n: u * (1 + 0.01 * index(u, -2))
    ),
    "a gain by the size of the batch": breach(EXAMPLES, sense=lambda c, u, n: size_gain(u, -2)),
    "a lone example reads otherwise": breach(
        EXAMPLES, sense=lambda c, u, n: u * (1.01 if u.shape[-2] == 1 else 1)
    ),
    "an odd batch reads otherwise": breach(
        EXAMPLES, sense=lambda c, u, n: u * (1 + 0.01 * (u.shape[-2] % 2))
    ),
    "an auto-ranging converter over the batch": breach(EXAMPLES, sense=lambda c, u, n: block_float(u, -2)),
    "an auto-ranging converter that rounds only with noise": breach(
        EXAMPLES,
        sense=lambda c, u, n: (
            n.round_to_nearest(u * 20 / u.abs().amax(-2, keepdim=True).clamp(min=1e-9))
            / 20
            * u.abs().amax(-2, keepdim=True).clamp(min=1e-9)
        ),
    ),
    "a supply that saturates at the largest of the batch": breach(
        EXAMPLES, sense=lambda c, u, n: torch.minimum(u, 0.9 * u.amax(-2, keepdim=True).abs())
    ),
    "a threshold at the median of the batch": breach(
        EXAMPLES, fire=lambda c, u, n: (u - 0.1 * u.median(-2, keepdim=True).values).relu()
    ),
    "neurons that fire by rank in the batch": breach(
        EXAMPLES, fire=lambda c, u, n: u.relu() * (1 + 0.001 * u.argsort(-2).argsort(-2))
    ),
    "a softmax over the batch": breach(EXAMPLES, fire=lambda c, u, n: u.softmax(-2)),
    "a residue of the example before": breach(
        EXAMPLES, sense=lambda c, u, n: u + 0.01 * torch.cat((0 * u[..., :1, :], u[..., :-1, :]), -2)
    ),
    "a charge that adds up along the batch": breach(EXAMPLES, sense=lambda c, u, n: u + 1e-3 * u.cumsum(-2)),
    "a gain by the largest so far": breach(
        EXAMPLES, sense=lambda c, u, n: u / (1 + u.abs().cummax(-2).values)
    ),
    "the first example as a reference": breach(
        EXAMPLES, collect=lambda c, x, n: product(c, x - 0.01 * x[..., :1, :])
    ),
    "the last example hears the first": breach(
        EXAMPLES,
        sense=lambda c, u, n: torch.cat((u[..., :-1, :], u[..., -1:, :] + 0.01 * u[..., :1, :]), -2),
    ),
    "habituation to an example that repeats the one before": breach(
        EXAMPLES,
        collect=lambda c, x, n: product(
            c, x * (1 - 0.05 * (x == x.roll(1, -2)).all(-1, keepdim=True) * (x.shape[-2] > 1))
        ),
    ),
    "a gain shared through a sum in float32": breach(
        EXAMPLES,
        sense=lambda c, u, n: u * (1 + 0.01 * u.float().square().sum((-1, -2), keepdim=True).tanh().to(u)),
    ),
    "a current limit for the batch, which only large inputs reach": breach(
        EXAMPLES, sense=lambda c, u, n: u * (300 / u.abs().sum(-2, keepdim=True).clamp(min=300))
    ),
    "a crosstalk between examples above 30 volts": breach(
        EXAMPLES, sense=lambda c, u, n: leak(u, -2) if bool(u.abs().max() > 30) else u
    ),
    "a leak of the batch in batches above 16": breach(
        EXAMPLES, sense=lambda c, u, n: leak(u, -2) if u.shape[-2] > 16 else u
    ),
    "a leak of the batch in batches above 100": breach(
        EXAMPLES, sense=lambda c, u, n: leak(u, -2) if u.shape[-2] > 100 else u
    ),
    "a leak of the batch when there are probes": breach(
        EXAMPLES, sense=lambda c, u, n: leak(u, -2) if has_probes(u) else u
    ),
    "a leak of the batch when knobs are probed": breach(
        EXAMPLES, collect=lambda c, x, n: leak(product(c, x), -2) if c.knobs.ndim > 4 else product(c, x)
    ),
    "a leak of the batch when there is noise": breach(
        EXAMPLES, sense=lambda c, u, n: leak(u, -2) if n.normal(u).ndim else u
    ),
    "noise that grows with the batch's signal": breach(
        EXAMPLES, sense=lambda c, u, n: u + 0.1 * n.normal(u) * u.square().mean(-2, keepdim=True).sqrt()
    ),
    "noise that grows with the size of the batch": breach(
        EXAMPLES, sense=lambda c, u, n: u + 0.02 * u.shape[-2] ** 0.5 * n.normal(u)
    ),
    "noise averaged over the batch": breach(
        EXAMPLES, sense=lambda c, u, n: u + 0.1 * n.normal(u) / u.shape[-2] ** 0.5
    ),
}

BANKS: dict[str, Breach] = {
    "a leak of the mean over tiles into sense": breach(TILES, sense=lambda c, u, n: leak(u, -3, 0.05)),
    "a leak of the mean over tiles into collect": breach(
        TILES, collect=lambda c, x, n: leak(product(c, x), -3)
    ),
    "a leak of the mean over tiles into fire": breach(TILES, fire=lambda c, u, n: leak(u, -3).relu()),
    "a gain by the number of the tile": breach(TILES, sense=lambda c, u, n: u * (1 + 0.01 * index(u, -3))),
    "a supply that sags with every tile": breach(TILES, sense=lambda c, u, n: size_gain(u, -3)),
    "a crosstalk from the neighbouring tile": breach(
        TILES, fire=lambda c, u, n: (u + 0.01 * u.roll(1, -3) * (u.shape[-3] > 1)).relu()
    ),
    "pulses that disturb the other tiles": breach(
        TILES, pulse=lambda c, d, n: knobs_to(c, c.knobs + d + 0.01 * d.mean(-3, keepdim=True))
    ),
    "pulses scaled by the largest of all tiles": breach(
        TILES,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + d / (1 + d.abs().amax((-3, -2, -1), keepdim=True))),
    ),
    "a probe shared by all tiles": breach(
        rf"{TILES}|{PERTURB}",
        perturb=lambda c, o: knobs_to(c, c.knobs + 0.9 * o + 0.1 * o.mean(-3, keepdim=True)),
    ),
    "a drift towards the mean of the tiles": breach(
        TILES,
        age=lambda c, s, n: knobs_to(
            c, c.knobs.mean(-3, keepdim=True) + (c.knobs - c.knobs.mean(-3, keepdim=True)) * 2 ** (-s / 1e4)
        ),
    ),
    "noise that grows with another tile's signal": breach(
        TILES, sense=lambda c, u, n: u + 0.1 * n.normal(u) * u.square().mean((-1, -3), keepdim=True).sqrt()
    ),
}

PROBED: dict[str, Breach] = {
    "a leak of the mean over probes": breach(
        PROBES, sense=lambda c, u, n: leak(u, 0) if has_probes(u) else u
    ),
    "a leak of the mean over probes into collect": breach(
        PROBES, collect=lambda c, x, n: leak(product(c, x), 0) if c.knobs.ndim > 4 else product(c, x)
    ),
    "a leak of the mean over probes into fire": breach(
        PROBES, fire=lambda c, u, n: (leak(u, 0) if has_probes(u) else u).relu()
    ),
    "a leak over the second of two axes of probes": breach(
        PROBES, sense=lambda c, u, n: leak(u, 1) if u.ndim > 5 else u
    ),
    "a gain by the number of the probe": breach(
        PROBES, sense=lambda c, u, n: u * (1 + 0.01 * index(u, -u.ndim)) if has_probes(u) else u
    ),
    "a gain by the count of probes": breach(
        PROBES, sense=lambda c, u, n: size_gain(u, 0) if has_probes(u) else u
    ),
    "a leak beyond eight probes": breach(
        PROBES, sense=lambda c, u, n: leak(u, 0) if has_probes(u) and u.shape[0] > 8 else u
    ),
    "a probe of zero that changes the gain": breach(
        PROBES, collect=lambda c, x, n: product(c, x) * (1.01 if c.knobs.ndim > 4 else 1)
    ),
    "probes centred over all of a call": breach(
        rf"{PERTURB}|{PROBES}",
        perturb=lambda c, o: knobs_to(c, c.knobs + (o - o.mean(0) if o.ndim > 4 else o)),
    ),
    "the first probe given to all": breach(
        rf"{PERTURB}|{PROBES}",
        perturb=lambda c, o: knobs_to(c, c.knobs + (o[:1].expand_as(o) if o.ndim > 4 else o)),
    ),
    "a baseline of the first probe when there is noise": breach(
        PROBES, sense=lambda c, u, n: u - 0.01 * u[:1] if has_probes(u) and n.normal(u).ndim else u
    ),
    "noise that grows with the count of probes": breach(
        PROBES, sense=lambda c, u, n: u + (0.1 * u.shape[0] ** 0.5 if has_probes(u) else 0.1) * n.normal(u)
    ),
}

FLEETS: dict[str, Breach] = {
    "a leak of the fleet's mean": breach(CHIPS, sense=lambda c, u, n: leak(u, -4) if fleet_only(u) else u),
    "chips that hear each other's probes": breach(
        CHIPS, sense=lambda c, u, n: leak(u, -4, 0.05) if has_probes(u) else u
    ),
    "chips that share a perturbation": breach(
        rf"{CHIPS}|{PERTURB}",
        perturb=lambda c, o: knobs_to(c, c.knobs + (leak(o, -4, 0.5) if o.ndim > 4 else o)),
    ),
    "a gain by the size of the fleet": breach(
        CHIPS, sense=lambda c, u, n: size_gain(u, -4) if fleet_only(u) else u
    ),
    "a fleet of one that is not the chip alone": breach(
        CHIPS, sense=lambda c, u, n: u * (1.01 if c.knobs.ndim == 4 and len(c.knobs) == 1 else 1)
    ),
    "a lone chip that reads otherwise in silence": breach(
        CHIPS, sense=lambda c, u, n: u * (1.01 if c.knobs.ndim == 3 and not n.normal(u).ndim else 1)
    ),
    "a lone chip that is pulsed otherwise in silence": breach(
        CHIPS,
        pulse=lambda c, d, n: knobs_to(
            c, c.knobs + d * (1.01 if c.knobs.ndim == 3 and not n.normal(d).ndim else 1)
        ),
    ),
    "a leak in fleets above eight": breach(
        CHIPS, sense=lambda c, u, n: leak(u, -4) if fleet_only(u) and u.shape[-4] > 8 else u
    ),
    "a leak of the fleet when there is noise": breach(
        CHIPS, sense=lambda c, u, n: leak(u, -4) if fleet_only(u) and n.normal(u).ndim else u
    ),
    "noise that grows with the fleet's signal": breach(
        CHIPS,
        sense=lambda c, u, n: (
            u + 0.1 * n.normal(u) * (u.square().mean(-4, keepdim=True).sqrt() if fleet_only(u) else u.abs())
        ),
    ),
    "noise that grows with the size of the fleet": breach(
        CHIPS, sense=lambda c, u, n: u + (0.1 * u.shape[-4] if fleet_only(u) else 0.1) * n.normal(u)
    ),
    "ageing pulls to the mean of the fleet": breach(
        CHIPS,
        age=lambda c, s, n: knobs_to(
            c,
            c.knobs
            if c.knobs.ndim < 4
            else c.knobs.mean(0, keepdim=True) + (c.knobs - c.knobs.mean(0, keepdim=True)) * 2 ** (-s / 1e4),
        ),
    ),
    "pulses scaled by the fleet's largest, above .3": breach(
        CHIPS,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + (d / d.abs().max() * 0.3 if d.abs().max() > 0.3 else d)),
    ),
    "pulses that leak to the other chips when noisy": breach(
        CHIPS,
        pulse=lambda c, d, n: knobs_to(c, c.knobs + (leak(d, 0) if d.ndim > 3 and n.normal(d).ndim else d)),
    ),
    "one worn-out chip ends the fleet": breach(
        CHIPS,
        worn_out=lambda c: (c.knobs.abs() > 1.5).flatten(-3).any().expand(c.knobs.shape[:-3]).clone(),
    ),
    "a chip is worn out by the fleet's mean": breach(
        CHIPS, worn_out=lambda c: (c.knobs.abs().mean() > 1.0).expand(c.knobs.shape[:-3]).clone()
    ),
    "bounds shared by a fleet": breach(
        CHIPS,
        Amplified(),
        fabricate=lambda r, c, b: knobs_to(Amplified().fabricate(r, c, b), b.normal("k", r, c).clamp(-1, 1)),
        pulse=lambda c, d, n: knobs_to(c, (c.knobs + d).clamp(-1, 1)),
        bounds=lambda c: (-shared_limit(c), shared_limit(c)),
    ),
}

DECLARED: dict[str, Breach] = {
    "a fleet that leaks, and says that examples do": breach(
        CHIPS,
        coupled(Ideal(), "examples", "tiles", "probes"),
        sense=lambda c, u, n: leak(u, -4) if u.ndim >= 4 else u,
    ),
    "a batch that leaks, and says that chips do": breach(
        EXAMPLES, coupled(Ideal(), "chips", "tiles", "probes"), sense=lambda c, u, n: leak(u, -2)
    ),
    "tiles that leak, and say that cells do": breach(
        TILES, coupled(Ideal(), "cells", "examples"), sense=lambda c, u, n: leak(u, -3)
    ),
    "probes that leak, and say that chips do": breach(
        PROBES, coupled(Ideal(), "chips"), sense=lambda c, u, n: leak(u, 0) if has_probes(u) else u
    ),
    "a coupling that nobody knows": breach("couples", coupled(Ideal(), "example")),
    "a batch that leaks noise, and says that chips do": breach(
        NOISE,
        coupled(Ideal(), "chips"),
        sense=lambda c, u, n: u + 0.1 * (z.cumsum(-2) if (z := n.normal(u)).ndim else z),
    ),
}
