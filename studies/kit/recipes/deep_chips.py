"""Deep chips of equal layers: their layers, where their knobs start, and a rate for each chip of a fleet."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from analog import Chip, Knobs, Layer, dense, stream, xray
from learners import Update
from learners.data import Dataset


def deep_layers(data: Dataset, hidden: int, depth: int) -> tuple[Layer, ...]:
    """The layers of a chip with `depth` equal hidden layers and a linear read-out."""
    inner = (dense(hidden, hidden) for _ in range(depth - 1))
    return dense(data.features, hidden), *inner, readout_layer(data, hidden)


def readout_layer(data: Dataset, hidden: int) -> Layer:
    """A linear read-out of a hidden layer."""
    return dense(hidden, data.classes, linear=True)


def random_knobs(chip: Chip, gain: float, generator: Generator) -> Knobs:
    """Normal knobs of variance gain^2 / fan-in, each layer of each identity its own and always the same."""
    seeds = torch.randint(2**62, (len(chip.spec.layers),), generator=generator).tolist()
    return tuple(
        torch.stack([_normal(shape[1:], seed + who) for who in chip.identities]) * (gain / shape[-1] ** 0.5)
        for shape, seed in zip(chip.spec.shapes, seeds, strict=True)
    )


def _normal(shape: Sequence[int], seed: int) -> Tensor:
    return torch.randn(shape, generator=stream(seed, "depth", "knobs"))


def scaled_per_chip(update: Update, factors: Tensor) -> Update:
    """The same update with its drives multiplied by a factor for each chip of a fleet.

    Args:
        factors: (chips,).
    """
    by_cell = factors[:, None, None, None]

    def step(gradient: Knobs, state: Any) -> tuple[Knobs, Any]:
        drive, state = update.step(gradient, state)
        return tuple(d * by_cell for d in drive), state

    return Update(update.init, step, f"scaled_per_chip({update})")


def signal_and_noise(chip: Chip, x: Tensor) -> dict[str, list[float]]:
    """How much each layer's outputs differ between examples (batch, features_in), and between reads, in V."""
    noiseless, read = xray.respond(chip, x).taps, chip.port().measure(x).taps
    pairs = list(zip(noiseless, read, strict=True))
    return {
        "signal": [float(s.var(-2).mean().sqrt()) for s, _ in pairs],
        "noise": [float((r - s).square().mean().sqrt()) for s, r in pairs],
    }
