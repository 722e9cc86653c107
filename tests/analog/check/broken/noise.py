"""Devices whose noise is shared, correlated, repeated, or of the wrong size along some axis."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from analog import Device, Ideal, Noise, stream

from .bent import (
    AGING,
    NOISE,
    NOISE_OF_CALLS,
    NOISE_OF_CHIPS,
    NOISE_OF_EXAMPLES,
    NOISE_OF_PROBES,
    NOISE_OF_TILES,
    STATE,
    Breach,
    autoregressive,
    bent,
    breach,
    centered,
    first_of,
    has_probes,
    in_pairs,
    knobs_to,
    product,
)

Reshape = Callable[[Tensor], Tensor]
Sense = Callable[[Any, Tensor, Noise], Tensor]


def noisy(noise: Noise, like: Tensor, reshape: Reshape) -> Tensor:
    """Normals like a tensor, made dependent on each other."""
    z = noise.normal(like)
    return reshape(z) if z.ndim else z


def amplifier(law: str, reshape: Reshape) -> Breach:
    return breach(law, sense=lambda c, u, n: u + 0.1 * noisy(n, u, reshape))


def synapses(law: str, reshape: Reshape) -> Breach:
    def collect(c: Any, x: Tensor, n: Noise) -> Tensor:
        return (u := product(c, x)) + 0.1 * noisy(n, u, reshape)

    return breach(law, collect=collect)


def neurons(law: str, reshape: Reshape) -> Breach:
    return breach(law, fire=lambda c, u, n: (u + 0.1 * noisy(n, u, reshape)).sigmoid())


def writes(law: str, reshape: Reshape) -> Breach:
    return breach(law, pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 0.1 * noisy(n, d, reshape))))


def drifts(law: str, reshape: Reshape) -> Breach:
    return breach(law, age=lambda c, s, n: knobs_to(c, c.knobs + 1e-3 * s**0.5 * noisy(n, c.knobs, reshape)))


def on(axis: int, act: Callable[..., Tensor], rank: int = 1, **words: float) -> Reshape:
    """The act along an axis of tensors of so many axes or more; others stay."""
    return lambda z: act(z, axis, **words) if z.ndim >= rank else z


def opposite_end(z: Tensor, axis: int) -> Tensor:
    """The second half along an axis mirrors the first."""
    half = z.shape[axis] // 2
    if not half:
        return z
    rest = z.narrow(axis, 0, z.shape[axis] - half)
    return torch.cat((rest, rest.narrow(axis, 0, half).flip(axis)), axis)


def own(seed_from: Callable[[Any, Tensor, Noise], int]) -> Callable[..., Tensor]:
    """Noise from a generator that is seeded at every call."""

    def sense(c: Any, u: Tensor, n: Noise) -> Tensor:
        z = n.normal(u)
        if not z.ndim:
            return u
        generator = stream(seed_from(c, u, n), "own")
        return u + 0.1 * torch.randn(z.shape, generator=generator, dtype=torch.float64).to(u)

    return sense


def seed_of(noise: Noise) -> int:
    """What the chip's first generator was seeded with, the same at every call."""
    held = noise._generator
    return (held if isinstance(held, torch.Generator) else held[0]).initial_seed()  # type: ignore[index]


def rewound(noise: Noise) -> Noise:
    """The same noise over again: every call goes back to where the generator was seeded."""
    if noise._generator is None:
        return noise
    return Noise(stream(seed_of(noise), "again"), noise._lead, noise._rank)


def one_draw_for_two() -> tuple[Sense, Sense]:
    """Two stages, the second of which uses the draw of the first."""
    last: list[Tensor] = []

    def first(c: Any, u: Tensor, n: Noise) -> Tensor:
        last[:] = [n.normal(u)]
        return u + 0.1 * last[0]

    def second(c: Any, u: Tensor, n: Noise) -> Tensor:
        again = n._generator is not None and last and last[0].shape == u.shape
        return u + 0.1 * last[0] if again else u

    return first, second


def synapses_and_amplifier() -> Device:
    first, second = one_draw_for_two()
    return bent(Ideal(), collect=lambda c, x, n: first(c, product(c, x), n), sense=second)


def amplifier_and_neuron() -> Device:
    first, second = one_draw_for_two()
    return bent(Ideal(), sense=first, fire=lambda c, u, n: second(c, u, n).relu())


def two_uses_of_a_shape() -> Device:
    """Neighbouring layers, or readings, share a draw."""
    drawn: dict[torch.Size, Tensor] = {}

    def sense(c: Any, u: Tensor, n: Noise) -> Tensor:
        z = n.normal(u)
        if not z.ndim:
            return u
        return u + 0.1 * (drawn.pop(z.shape) if z.shape in drawn else drawn.setdefault(z.shape, z))

    return bent(Ideal(), sense=sense)


def uniform_of_first(c: Any, u: Tensor, n: Noise) -> Tensor:
    v = n.uniform(u)
    return u + 0.1 * (first_of(v, -2) if v.ndim else v)


def telegraph_of_pairs(c: Any, u: Tensor, n: Noise) -> Tensor:
    v = n.uniform(u)
    return u + 0.1 * torch.where((in_pairs(v, -2) if v.ndim else v) < 0.3, 1.0, 0.0)


def unreached(z: Tensor, like: Tensor) -> Tensor:
    """All probes share the noise where no probe has reached yet."""
    return z[:1].expand_as(z) if z.ndim > like.ndim else z


EXAMPLE_NOISE: dict[str, Breach] = {
    "noise shared by examples 2k and 2k + 1": amplifier(NOISE_OF_EXAMPLES, on(-2, in_pairs)),
    "noise shared by pairs of examples in collect": synapses(NOISE_OF_EXAMPLES, on(-2, in_pairs)),
    "noise shared by pairs of examples in fire": neurons(NOISE_OF_EXAMPLES, on(-2, in_pairs)),
    "a random walk along the batch": amplifier(NOISE_OF_EXAMPLES, lambda z: z.cumsum(-2)),
    "AR(1) noise along the batch": amplifier(NOISE_OF_EXAMPLES, on(-2, autoregressive)),
    "weak AR(1) noise along the batch": amplifier(NOISE_OF_EXAMPLES, on(-2, autoregressive, correlation=0.2)),
    "noise antithetic over the batch": amplifier(NOISE_OF_EXAMPLES, on(-2, in_pairs, sign=-1.0)),
    "noise that adds up to nothing over a batch": amplifier(NOISE_OF_EXAMPLES, on(-2, centered)),
    "the second half of a batch hears the first's noise backwards": amplifier(
        NOISE_OF_EXAMPLES, on(-2, opposite_end)
    ),
    "noise of the first and the last example shared": amplifier(
        NOISE_OF_EXAMPLES, lambda z: torch.cat((z[..., :-1, :], z[..., :1, :]), -2) if z.shape[-2] > 1 else z
    ),
    "example i + 8 hears the noise of example i": amplifier(
        NOISE_OF_EXAMPLES, lambda z: torch.cat((z[..., :8, :], z[..., :-8, :]), -2) if z.shape[-2] > 8 else z
    ),
    "a size of the noise shared by the batch": breach(
        NOISE_OF_EXAMPLES,
        sense=lambda c, u, n: (
            u + 0.1 * n.normal(u) * first_of(n.normal(u).abs() + 0.1, -2) if n.normal(u).ndim else u
        ),
    ),
    "dithering shared by the batch": breach(NOISE_OF_EXAMPLES, sense=uniform_of_first),
    "telegraph noise shared by pairs of examples": breach(NOISE_OF_EXAMPLES, sense=telegraph_of_pairs),
}

PROBE_NOISE: dict[str, Breach] = {
    "noise drawn whole, the first probe's given to all": amplifier(NOISE_OF_PROBES, on(0, first_of, 5)),
    "a fleet's noise drawn once for all its probes": breach(
        "probes .*share noise", sense=lambda c, u, n: u + 0.1 * n.normal(u[:1] if u.ndim > 4 else u)
    ),
    "an array's noise drawn once for all probes of a fleet's nodes": breach(
        "probes .*share noise",
        collect=lambda c, x, n: (
            product(c, x)
            + 0.1 * noisy(n, product(c, x), on(0, first_of, 5) if c.knobs.ndim == 4 else torch.clone)
        ),
    ),
    "noise of probed nodes, the first's given to all where no knob is probed": breach(
        "probes .*share noise",
        sense=lambda c, u, n: u + 0.1 * noisy(n, u, lambda z: first_of(z, 0) if z.ndim > c.knobs.ndim else z),
    ),
    "noise of synapses, the first probe's given to all": synapses(NOISE_OF_PROBES, on(0, first_of, 5)),
    "noise of neurons, the first probe's given to all": neurons(NOISE_OF_PROBES, on(0, first_of, 5)),
    "noise shared by pairs of probes": amplifier(
        NOISE_OF_PROBES, lambda z: in_pairs(z, -z.ndim) if z.ndim > 4 else z
    ),
    "noise antithetic over probes": amplifier(
        NOISE_OF_PROBES, lambda z: in_pairs(z, -z.ndim, -1.0) if z.ndim > 4 else z
    ),
    "AR(1) noise along probes": amplifier(
        NOISE_OF_PROBES, lambda z: autoregressive(z, -z.ndim) if z.ndim > 4 else z
    ),
    "noise that adds up to nothing over probes": amplifier(
        NOISE_OF_PROBES, lambda z: centered(z, -z.ndim) if z.ndim > 4 else z
    ),
    "noise shared by probes that have not arrived": breach(
        NOISE_OF_PROBES, sense=lambda c, u, n: u + 0.1 * unreached(n.normal(u), u)
    ),
    "noise shared along the second axis of probes": amplifier(NOISE_OF_PROBES, on(1, first_of, 6)),
}

CHIP_NOISE: dict[str, Breach] = {
    "noise drawn whole, the first chip's given to all": amplifier(NOISE_OF_CHIPS, on(-4, first_of, 4)),
    "noise of synapses, the first chip's given to all": synapses(NOISE_OF_CHIPS, on(-4, first_of, 4)),
    "noise shared by pairs of chips": amplifier(NOISE_OF_CHIPS, on(-4, in_pairs, 4)),
    "noise antithetic over chips": amplifier(NOISE_OF_CHIPS, on(-4, in_pairs, 4, sign=-1.0)),
    "AR(1) noise along chips": amplifier(NOISE_OF_CHIPS, on(-4, autoregressive, 4)),
    "noise that adds up to nothing over chips": amplifier(NOISE_OF_CHIPS, on(-4, centered, 4)),
    "every chip hears its neighbour's noise": amplifier(
        NOISE_OF_CHIPS, lambda z: z.roll(1, -4) if z.ndim >= 4 else z
    ),
    "write noise, the first chip's given to all": writes(NOISE_OF_CHIPS, on(-4, first_of, 4)),
    "write noise of chips in pairs": writes(NOISE_OF_CHIPS, on(-4, in_pairs, 4)),
    "write noise antithetic over chips": writes(NOISE_OF_CHIPS, on(-4, in_pairs, 4, sign=-1.0)),
    "write noise that grows with the fleet": breach(
        NOISE_OF_CHIPS,
        pulse=lambda c, d, n: knobs_to(
            c, c.knobs + d * (1 + (0.05 * len(d) if d.ndim > 3 else 0.05) * n.normal(d))
        ),
    ),
    "random drift, the first chip's given to all": drifts(NOISE_OF_CHIPS, on(-4, first_of, 4)),
    "AR(1) drift along chips": drifts(NOISE_OF_CHIPS, on(-4, autoregressive, 4)),
    "random drift antithetic over chips": drifts(NOISE_OF_CHIPS, on(-4, in_pairs, 4, sign=-1.0)),
    "random drift drawn once for a fleet": breach(
        NOISE_OF_CHIPS,
        age=lambda c, s, n: knobs_to(
            c, c.knobs + 1e-3 * s**0.5 * n.normal(c.knobs[0] if c.knobs.ndim > 3 else c.knobs)
        ),
    ),
    "the last pulse of a train rounded alike for all chips": breach(
        NOISE_OF_CHIPS,
        pulse=lambda c, d, n: knobs_to(
            c,
            c.knobs + 0.01 * (d / 0.01 + (first_of(v, -4) if (v := n.uniform(d)).ndim else v)).floor()
            if n._generator is not None
            else c.knobs + d,
        ),
    ),
}

TILE_NOISE: dict[str, Breach] = {
    "read noise shared by tiles": amplifier(NOISE_OF_TILES, on(-3, first_of)),
    "noise of synapses shared by tiles": synapses(NOISE_OF_TILES, on(-3, first_of)),
    "read noise antithetic over tiles": amplifier(NOISE_OF_TILES, on(-3, in_pairs, sign=-1.0)),
    "write noise shared by tiles": writes(NOISE_OF_TILES, on(-3, first_of)),
    "random drift shared by tiles": drifts(NOISE_OF_TILES, on(-3, first_of)),
}

CALL_NOISE: dict[str, Breach] = {
    "a generator seeded with 0 at every reading": breach(NOISE_OF_CALLS, sense=own(lambda c, u, n: 0)),
    "a generator seeded with the chip's seed at every reading": breach(
        NOISE_OF_CALLS, sense=own(lambda c, u, n: seed_of(n))
    ),
    "a generator seeded by what the cells hold": breach(
        NOISE_OF_CALLS, sense=own(lambda c, u, n: int(float(c.knobs.sum()) * 1e6))
    ),
    "a generator seeded by what is sensed": breach(
        NOISE_OF_CALLS, sense=own(lambda c, u, n: int(float(u.sum()) * 1e6))
    ),
    "write noise from the start of the generator at every pulse": breach(
        NOISE, pulse=lambda c, d, n: knobs_to(c, c.knobs + d * (1 + 0.1 * rewound(n).normal(d)))
    ),
    "random drift from the start of the generator at every wait": breach(
        rf"{NOISE}|{AGING}",
        age=lambda c, s, n: knobs_to(c, c.knobs + 1e-3 * s**0.5 * rewound(n).normal(c.knobs)),
    ),
    "one draw for synapses and amplifier": Breach(synapses_and_amplifier, NOISE),
    "one draw for amplifier and neuron": Breach(amplifier_and_neuron, NOISE),
    "one draw for two uses of a shape": Breach(two_uses_of_a_shape, rf"{NOISE}|{STATE}"),
}

NOISES: dict[str, Breach] = {
    **EXAMPLE_NOISE,
    **PROBE_NOISE,
    **CHIP_NOISE,
    **TILE_NOISE,
    **CALL_NOISE,
    "noise that the first half of the fleet's probes lacks": breach(
        NOISE, sense=lambda c, u, n: u + 0.1 * (n.normal(u) * (1 if not has_probes(u) else 0.5))
    ),
}
