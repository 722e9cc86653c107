"""The settings of a method of the autoencoder benchmark, searched alike for all: the rate, then one more.

From a guess the rate goes by factors of sqrt(10), and then the setting next in weight, if the method has one
(LocoProp's and target propagation's gamma, what second-order methods add to their matrices), by factors of
10, each as long as the training loss after a quarter of the epochs falls.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from torch import Tensor

from .autoencoders import LOSS, Recipe, as_published, guess, second_guess, train_epochs

FARTHEST: Final = 6  # factors from the guess
JUDGED: Final = 5000  # training images, whose loss decides


def searched(recipe: Recipe, train: Tensor) -> Recipe:
    """The recipe with the settings of least training loss (images (n, pixels)); as published, as it is."""
    recipe = recipe._replace(learning_rate=guess(recipe.method), second=second_guess(recipe.method))
    if as_published(recipe.method):
        return recipe

    def loss(candidate: Recipe) -> float:
        final: float | None = None
        for outputs, _ in train_epochs(candidate._replace(epochs=max(1, recipe.epochs // 4)), train):
            final = mean_loss(outputs, train[:JUDGED])
        return math.inf if final is None else final

    rate = recipe.learning_rate
    best = _descend(lambda power: loss(recipe._replace(learning_rate=rate * 10 ** (power / 2))))
    recipe = recipe._replace(learning_rate=rate * 10 ** (best / 2))
    if (second := recipe.second) is None:
        return recipe
    best = _descend(lambda power: loss(recipe._replace(second=second * 10.0**power)))
    return recipe._replace(second=second * 10.0**best)


def mean_loss(outputs: Callable[[Tensor], Tensor], x: Tensor) -> float | None:
    """The mean loss over images (images, pixels); None where it is no number any more."""
    total = sum(float(LOSS(outputs(part), part).double().sum()) for part in x.split(5000))
    return round(total / len(x), 4) if math.isfinite(total) else None


def _descend(loss: Callable[[int], float]) -> int:
    """The power with the least loss, from 0 step by step, upwards and then downwards."""
    known, best = lru_cache(loss), 0
    for direction in (1, -1):
        while abs(best) < FARTHEST and known(best + direction) < known(best):
            best += direction
    return best
