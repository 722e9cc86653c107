"""Hardware-aware training: a network is learned digitally, on simulated chips, to be copied blindly.

Every step sees another simulated chip of the datasheet with the same knobs, programmed anew, so what is
learned tolerates what differs from chip to chip; Rasch et al. 2023
(https://doi.org/10.1038/s41467-023-40770-4) inject noise so. With a radius the gradient is taken where
the loss is highest nearby, as sharpness-aware minimization does (Foret et al. 2020,
https://arxiv.org/abs/2010.01412).
"""

from collections.abc import Iterable

import torch

from analog import Chip, Device, Knobs, Layer, xray
from learners import Batch, Loss, Update

DATASHEET = 1 << 40  # first identity of the simulated chips, far from those of any study


def hardware_aware_knobs(
    device: Device,
    layers: tuple[Layer, ...],
    batches: Iterable[Batch],
    update: Update,
    loss: Loss,
    radius: float = 0.0,
    limit: float = float("inf"),
    seed: int = 0,
) -> Knobs:
    """Learn knobs that suit any chip of a technology.

    Args:
        device: the datasheet.
        batches: with labels; each is one step, on one simulated chip.
        radius: how far the knobs move uphill before the gradient is taken, full scale; 0 for not at all.
        limit: the largest knob, full scale.
        seed: of which chips are simulated.

    Returns:
        (tiles, rows, cols) for each layer.
    """
    first = DATASHEET + (seed << 32)
    simulated = Chip(device, layers, first, noise_seed=seed)
    knobs, state = xray.knobs(simulated), update.init(simulated.spec.zeros())
    for number, batch in enumerate(batches, 1):
        chip = Chip(device, layers, first + number, noise_seed=seed)
        chip.port().program(knobs)
        gradient = xray.knob_gradient(chip, batch.x, batch.target, loss)
        if radius:
            norm = torch.stack([g.square().sum() for g in gradient]).sum().sqrt().clamp_min(1e-12)
            uphill = tuple(k + radius * g / norm for k, g in zip(knobs, gradient, strict=True))
            chip.port().program(uphill)
            gradient = xray.knob_gradient(chip, batch.x, batch.target, loss)
        drive, state = update.step(gradient, state)
        knobs = tuple((k + d).clamp(-limit, limit) for k, d in zip(knobs, drive, strict=True))
    return knobs
