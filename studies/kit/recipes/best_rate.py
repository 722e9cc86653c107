"""The learning rate at which the exact gradient does best, so that no reference is held back by a rate."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from analog import Chip, Device, Layer, stream
from learners import CrossEntropy, Update, evaluate, fit
from learners.data import Dataset, draw_batches, held_out

from .deep_chips import scaled_per_chip
from .exact_gradient import ExactGradient

RATES: Final = (1 / 3, 1.0, 3.0)  # in units of the rate of all others


def best_exact_rate(
    device: Device,
    layers: Sequence[Layer],
    data: Dataset,
    update: Update,
    *,
    batch: int,
    steps: int,
    identity: int,
    seed: int,
    rates: Sequence[float] = RATES,
) -> float:
    """The factor on an update's drives with which the exact gradient does best on held-out training data.

    Copies of one chip learn side by side, one with each factor.

    Args:
        update: of factor 1.
        batch, steps: of the training whose rate it is to be.
        identity: of the chip that tries; another one than those that will learn.
        seed: of the order of examples and of the chip's noise.
    """
    search = held_out(data)
    chip = Chip(device, tuple(layers), (identity,) * len(rates), noise_seed=seed)
    learner = ExactGradient(chip, scaled_per_chip(update, torch.tensor(rates)), CrossEntropy())
    examples = draw_batches(search.train, batch, steps, stream(seed, "best rate", "data"))
    for _ in fit(learner, chip.port(), examples, stream(seed, "best rate", "none")):
        pass
    scores: Tensor = evaluate(chip.port(), search.test)
    return rates[int(scores.argmax())]
