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

RATES: Final = (1 / 9, 1 / 3, 1.0, 3.0, 9.0)  # in units of the rate of all others
CHIPS: Final = 3  # that try each of them: the chance of one decides among rates that are nearly alike


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

    Copies of a few chips learn side by side, one of each with each factor.

    Args:
        update: of factor 1.
        batch, steps: of the training whose rate it is to be.
        identity: of the first chip that tries, the others follow; others than those that will learn.
        seed: of the order of examples and of the chip's noise.
        write_threshold: full scale, what drives come to before they are sent; None: all are sent at once.

    Returns:
        One of `rates`; 1 where a chip dies on the way.
    """
    search = held_out(data)
    tries = (*range(identity, identity + CHIPS),) * len(rates)
    chip = Chip(device, tuple(layers), tries, noise_seed=seed)
    scaled = scaled_per_chip(update, torch.tensor(rates).repeat_interleave(CHIPS))
    if write_threshold is not None:
        scaled = accumulate(scaled, write_threshold)
    learner = ExactGradient(chip, scaled, CrossEntropy())
    examples = draw_batches(search.train, batch, steps, stream(seed, "best rate", "data"))
    if run_until_death(fit(learner, chip.port(), examples, stream(seed, "best rate", "none"))):
        return 1.0
    scores: Tensor = evaluate(chip.port(), search.test).unflatten(0, (-1, CHIPS)).mean(-1)
    return rates[int(scores.argmax())]
