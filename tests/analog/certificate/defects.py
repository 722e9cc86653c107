"""Hardware with one defect each: devices that break a law, and wires that do."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from analog import Chip, Ideal, Layer, Mismatched, Noise, Port, Probe, Reading, mlp, stream
from analog.devices import CapacitorCell, Hopfield
from analog.devices.ideal import IdealCells
from analog.devices.mismatched import MismatchedCells
from analog.port import make_port

LAYERS = mlp(12, 24)  # one layer keeps certificates quick
DEEP = mlp(12, 24, 12)
RELAXING = mlp(16, 32, 8)


@dataclass(frozen=True)
class Noisy(Ideal):
    """Plain cells whose amplifiers see `disturb(u, noise)`."""

    disturb: Callable[[Tensor, Noise], Tensor] = lambda u, noise: u + 0.02 * noise.normal(u)

    def sense(self, cells: IdealCells, u: Tensor, noise: Noise) -> Tensor:
        del cells
        return self.disturb(u, noise)


def healthy(layers: tuple[Layer, ...] = LAYERS) -> Port:
    return Chip(Mismatched(), layers, 5).port()


def noisy(disturb: Callable[[Tensor, Noise], Tensor]) -> Port:
    return Chip(Noisy(disturb), LAYERS, 5).port()


def shared(axis: int) -> Port:
    """Noise that is drawn once along an axis of (..., tiles, examples, rows)."""
    return noisy(lambda u, noise: u + 0.02 * noise.normal(u.narrow(axis, 0, 1)))


def centered() -> Port:
    def disturb(u: Tensor, noise: Noise) -> Tensor:
        drawn = 0.02 * noise.normal(u)
        return u + drawn - drawn.mean(-2, keepdim=True)

    return noisy(disturb)


def stuck_seed() -> Port:
    return noisy(lambda u, noise: u + 0.02 * torch.randn(u.shape, generator=stream(0, "stuck")))


def louder_in_large_batches() -> Port:
    return noisy(lambda u, noise: u + 0.02 * u.shape[-2] ** 0.5 * noise.normal(u))


def gain_by_index() -> Port:
    def disturb(u: Tensor, noise: Noise) -> Tensor:
        return u * (1 + 0.05 * torch.arange(u.shape[-2])[:, None]) + 0.02 * noise.normal(u)

    return noisy(disturb)


def leaking_batch() -> Port:
    def disturb(u: Tensor, noise: Noise) -> Tensor:
        others = u.sum(-2, keepdim=True) - u
        return u + 0.1 * others / max(u.shape[-2] - 1, 1) + 0.02 * noise.normal(u)

    return noisy(disturb)


def with_reads(
    read: Callable[[Port, Tensor, Probe, int, int], Reading], layers: tuple[Layer, ...] = LAYERS
) -> Port:
    """A healthy chip read in another way."""
    inner = healthy(layers)
    return make_port(
        inner.spec, inner.program, inner.pulse, lambda x, p, first, last: read(inner, x, p, first, last)
    )


def probes_share_noise() -> Port:
    def disturb(u: Tensor, noise: Noise) -> Tensor:
        drawn = noise.normal(u)
        return u + 0.02 * (drawn[:1] if drawn.ndim > 3 else drawn)

    return noisy(disturb)


def louder_with_probes() -> Port:
    def read(inner: Port, x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps = inner.measure(x, probe, first=first, last=last).taps
        again = inner.measure(x, probe, first=first, last=last).taps
        loud = taps[0].ndim > 2
        return Reading(tuple(a + loud * 2 * (a - b) for a, b in zip(taps, again, strict=True)))

    return with_reads(read)


def probes_leak() -> Port:
    def read(inner: Port, x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps = inner.measure(x, probe, first=first, last=last).taps
        return Reading(tuple(t + 0.2 * (t.roll(1, 0) - t) if t.ndim > 2 else t for t in taps))

    return with_reads(read)


def probe_leaves_a_trace() -> Port:
    def read(inner: Port, x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        reading = inner.measure(x, probe, first=first, last=last)
        if probe.knobs is not None:
            left = list(inner.spec.zeros())
            for k, entry in enumerate(probe.knobs):
                if entry is not None:
                    left[first + k] = 0.02 * entry.flatten(0, entry.ndim - 4).mean(0)
            inner.pulse(tuple(left))
        return reading

    return with_reads(read)


def clamped_node_probes() -> Port:
    def read(inner: Port, x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        nodes = probe.nodes and tuple(e if e is None else e.clamp(min=0) for e in probe.nodes)
        return inner.measure(x, Probe(probe.knobs, nodes), first=first, last=last)

    return with_reads(read)


def tap_with_another_gain() -> Port:
    def read(inner: Port, x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        taps = inner.measure(x, probe, first=first, last=last).taps
        return Reading((*(1.2 * t for t in taps[:-1]), taps[-1]))

    return with_reads(read, DEEP)


def fading() -> Port:
    return Chip(CapacitorCell(lifetime=5e-3, read_noise=0.02), LAYERS, 5).port()


def with_pulses(send: Callable[[Port, tuple[Tensor, ...]], None]) -> Port:
    inner = healthy()
    return inner._replace(pulse=lambda drive: send(inner, drive))


def zero_pulse_writes() -> Port:
    generator = stream(0, "disturbed")

    def send(inner: Port, drive: tuple[Tensor, ...]) -> None:
        inner.pulse(
            tuple(torch.where(d == 0, 0.02 * torch.randn(d.shape, generator=generator), d) for d in drive)
        )

    return with_pulses(send)


def pulses_reversed() -> Port:
    return with_pulses(lambda inner, drive: inner.pulse(tuple(-d for d in drive)))


@dataclass(frozen=True)
class Blind(Mismatched):
    """Divides by its input."""

    def collect(self, cells: MismatchedCells, x: Tensor, noise: Noise) -> Tensor:
        return super().collect(cells, x, noise) * (
            x.norm(dim=-1, keepdim=True) / x.norm(dim=-1, keepdim=True)
        )


def not_finite_at_rest() -> Port:
    return Chip(Blind(), (mlp(12, 8, bias=False)[0],), 5).port()


def fleet_shares_noise() -> Port:
    def disturb(u: Tensor, noise: Noise) -> Tensor:
        return u + 0.02 * noise.normal(u.narrow(-4, 0, 1))

    return Chip(Noisy(disturb), LAYERS, range(3)).port()


def fleet_shares_probes() -> Port:
    inner = Chip(Mismatched(), LAYERS, range(3)).port()

    def read(x: Tensor, probe: Probe, first: int, last: int) -> Reading:
        nodes = probe.nodes and tuple(e if e is None else e + 0.3 * (e.roll(1, -3) - e) for e in probe.nodes)
        return inner.measure(x, Probe(probe.knobs, nodes), first=first, last=last)

    return make_port(inner.spec, inner.program, inner.pulse, read)


def not_reciprocal() -> Port:
    return Chip(Hopfield(skew_dtod=4.0), RELAXING, 5).port()


DEFECTS: dict[str, tuple[Callable[[], Port], str]] = {  # what is wrong, and the law that it breaks
    "noise shared over examples": (lambda: shared(-2), "noise of examples"),
    "noise that adds up to nothing over a batch": (centered, "noise of examples"),
    "noise of a stuck seed": (stuck_seed, "noise of calls"),
    "gain by the index of an example": (gain_by_index, "position"),
    "noise that grows with the batch": (louder_in_large_batches, "batch size"),
    "examples that leak": (leaking_batch, "examples apart"),
    "noise shared over probes": (probes_share_noise, "noise of probes"),
    "noise that grows with probes": (louder_with_probes, "zero probe"),
    "probes that leak": (probes_leak, "probes apart"),
    "a trace of probes": (probe_leaves_a_trace, "trace"),
    "node probes of one sign": (clamped_node_probes, "node response"),
    "taps of another gain": (tap_with_another_gain, "taps passed on"),
    "a fading chip": (fading, "drift"),
    "a zero pulse that writes": (zero_pulse_writes, "zero pulse"),
    "pulses reversed": (pulses_reversed, "pulse direction"),
    "no number at rest": (not_finite_at_rest, "finite readings"),
    "noise shared over a fleet": (fleet_shares_noise, "noise of chips"),
    "cells that send back what they do not send on": (not_reciprocal, "reciprocal response"),
    "probes shared over a fleet": (fleet_shares_probes, "chips apart"),
}
