"""Towers of optimizers: an update under others that tune its numbers, by our algorithm or the source's own.

Chandra, Xie, Ragan-Kelley and Meijer, "Gradient Descent: The Ultimate Optimizer" (NeurIPS 2022,
https://arxiv.org/abs/1909.13371). The study `towers` says what each algorithm is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from learners import Tuner, Update, adagrad, adam, momentum, rmsprop, sgd
from learners.updates.hyperparameter import Number

from ..digital.chandra2022 import published_tower

Algorithm = Literal["ours", "ours, horizon 0", "as published"]
OptimizerName = Literal["sgd", "momentum", "adagrad", "rmsprop", "adam"]
OPTIMIZERS: Final[dict[OptimizerName, Callable[..., Update]]] = {
    "sgd": sgd,
    "momentum": momentum,
    "adagrad": adagrad,
    "rmsprop": rmsprop,
    "adam": adam,
}
ABOVE: Final = (0.3, 0.03)  # AdaGrad's rates on the second level and on those above it


@dataclass(frozen=True)
class Tower:
    """An optimizer and what tunes it; at height 1 nothing does."""

    optimizer: OptimizerName
    height: int = 2
    algorithm: Algorithm = "ours"
    horizon: float = 0.4  # what sensitivities are remembered for by ours, of the steps made
    warmup: float = 0.05  # share of the training in which a tower of ours begins

    def update(self, learning_rate: Number, steps: int, top: Number = 1.0) -> Update:
        """The update of a training of so many steps.

        Args:
            learning_rate: where it begins, one number or one for each network or chip.
            steps: of the training.
            top: what the rate of the highest level is multiplied by, likewise.
        """
        if self.algorithm == "as published" and self.height > 1:
            return published_tower(self.optimizer, learning_rate, self.height, top)
        above = (ABOVE[0], *[ABOVE[1]] * self.height)[: self.height - 1]
        tuned_by: Update | None = None
        for level, rate in enumerate(reversed(above)):
            tuned_by = adagrad(rate if level else rate * top, tuned_by=tuned_by)
        is_ours = self.algorithm == "ours"
        horizon, warmup = (self.horizon, round(self.warmup * steps)) if is_ours else (0.0, 0)
        tuner = None if tuned_by is None else Tuner(tuned_by, horizon, warmup)
        return OPTIMIZERS[self.optimizer](learning_rate, tuned_by=tuner)
