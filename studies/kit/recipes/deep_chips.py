"""Deep chips of equal layers: their wiring, where their knobs start, and a rate for each chip of a fleet."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator
from torch import Tensor

from analog import Chip
from analog import Knobs
from analog import Layer
from analog import dense
from analog import stream
from analog import xray
from learners import Update
from learners.data import Dataset


def wiring(data: Dataset, hidden: int, depth: int) -> tuple[Layer, ...]:
    """So many equal hidden layers and a linear read-out."""
    inner = (dense(hidden, hidden) for _ in range(depth - 1))
    return dense(data.features, hidden), *inner, head(data, hidden)


def head(data: Dataset, hidden: int) -> Layer:
    """A read-out."""
    return dense(hidden, data.classes, linear=True)


def scattered(chip: Chip[Any], gain: float, generator: Generator) -> Knobs:
    """Knobs of variance gain^2 / fan-in, each layer of each identity its own and always the same."""
    seeds = torch.randint(2**62, (len(chip.spec.layers),), generator=generator).tolist()
    return tuple(
        torch.stack([_normal(shape[1:], seed + who) for who in chip.identities]) * (gain / shape[-1] ** 0.5)
        for shape, seed in zip(chip.spec.shapes, seeds, strict=True)
    )


def _normal(shape: Sequence[int], seed: int) -> Tensor:
    return torch.randn(shape, generator=stream(seed, "depth", "knobs"))


def own_rates(update: Update, rates: Tensor) -> Update:
    """The same update with a rate for each chip of a fleet."""
    factors = rates[:, None, None, None]

    def step(gradient: Knobs, state: Any) -> tuple[Knobs, Any]:
        drive, state = update.step(gradient, state)
        return tuple(d * factors for d in drive), state

    return Update(update.init, step, f"own_rates({update})")


def loudness(chip: Chip[Any], x: Tensor) -> dict[str, list[float]]:
    """Of each layer, V: how much its outputs differ between examples, and between readings."""
    silent, read = xray.respond(chip, x).taps, chip.port().measure(x).taps
    pairs = list(zip(silent, read, strict=True))
    return {
        "signal": [float(s.var(-2).mean().sqrt()) for s, _ in pairs],
        "noise": [float((r - s).square().mean().sqrt()) for s, r in pairs],
    }
