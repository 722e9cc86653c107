"""The learning rate at which the exact gradient does best, so that no reference is held back by a rate."""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from analog import Chip, Device, Layer, stream
from learners import CrossEntropy, Update, accumulate, evaluate, fit
from learners.data import Dataset, draw_batches, held_out

from .deep_chips import scaled_per_chip
from .exact_gradient import ExactGradient
from .trainings import run_until_death

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
    write_threshold: float | None = None,
    rates: Sequence[float] = RATES,
) -> float:
    """The factor on an update's drives with which the exact gradient does best on held-out training data.

    Copies of one chip learn side by side, one with each factor.

    Args:
        update: of factor 1.
        batch, steps: of the training whose rate it is to be.
        identity: of the chip that tries; another one than those that will learn.
        seed: of the order of examples and of the chip's noise.
        write_threshold: full scale, what drives come to before they are sent; None: all are sent at once.

    Returns:
        One of `rates`; 1 where the chip dies on the way.
    """
    search = held_out(data)
    chip = Chip(device, tuple(layers), (identity,) * len(rates), noise_seed=seed)
    scaled = scaled_per_chip(update, torch.tensor(rates))
    if write_threshold is not None:
        scaled = accumulate(scaled, write_threshold)
    learner = ExactGradient(chip, scaled, CrossEntropy())
    examples = draw_batches(search.train, batch, steps, stream(seed, "best rate", "data"))
    if run_until_death(fit(learner, chip.port(), examples, stream(seed, "best rate", "none"))):
        return 1.0
    scores: Tensor = evaluate(chip.port(), search.test)
    return rates[int(scores.argmax())]
