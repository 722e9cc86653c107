"""Learners compared at equal reads, each at the settings that do best on held-out training data."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, NamedTuple

import torch

from analog import Chip, Device, Layer, Port
from learners import CrossEntropy, Loss
from learners.data import Dataset, held_out

from ..run.study import Row
from .equal_reads import train_within_reads
from .methods import takes_update

SIZES: Final = ("nudge", "size")  # what the arguments of a learner are called that say how far it perturbs
FACTORS: Final = (1 / 3, 1.0, 3.0)  # of the defaults, that are tried


class Settings(NamedTuple):
    """What was chosen for a learner."""

    method: Any  # the learner, with its size
    size: float | None  # of what it perturbs with; None where it takes none
    learning_rate: float | None  # None where it has one of its own


@dataclass(frozen=True)
class Comparison:
    """What all learners of a comparison have alike: device, data, reads, loss, order of the examples."""

    device: Device
    layers: Sequence[Layer]
    data: Dataset
    reads: int  # vectors that may be driven through each chip
    loss: Loss = CrossEntropy()
    wired: Callable[[Port], Port] | None = None  # what is put around each chip's wires
    seed: int = 0
    batch: int = 64
    learning_rate: float = 1e-2  # of Adam, in the middle of those that are tried

    def chips(self, identities: Sequence[int]) -> Chip:
        """A fleet that learns."""
        return Chip(self.device, tuple(self.layers), tuple(identities), noise_seed=self.seed)

    def choose(self, method: Any, identity: int) -> Settings:
        """The size and the learning rate with which a learner does best on held-out training data.

        Nine settings are tried, a third, once and three times the default of either; of a learner that takes
        only one of them, three. Copies of one chip learn side by side, one at each rate.

        Args:
            method: a name of ours, a learner, or what gives one.
            identity: of the chip that tries; another one than those that will learn.
        """
        factors = FACTORS if takes_update(method) else (1.0,)
        search = replace(self, data=held_out(self.data))
        best, best_score = Settings(method, None, None), -1.0
        for variant, size in variants(method):
            chip = search.chips((identity,) * len(factors))
            *_, end = search.train(variant, chip, torch.tensor(factors), points=1)
            for factor, score in zip(factors, end["accuracy"], strict=False):  # none if they died
                if score > best_score:
                    rate = factor * self.learning_rate if takes_update(method) else None
                    best, best_score = Settings(variant, size, rate), score
        return best

    def train(
        self, method: Any, chip: Chip, factors: torch.Tensor | None = None, points: int = 4
    ) -> Iterator[Row]:
        """Rows of `train_within_reads`."""
        yield from train_within_reads(
            method,
            chip,
            self.data,
            reads=self.reads,
            seed=self.seed,
            batch=self.batch,
            learning_rate=self.learning_rate,
            loss=self.loss,
            factors=factors if takes_update(method) else None,
            wired=self.wired,
            points=points,
        )


def variants(method: Any, factors: Sequence[float] = FACTORS) -> list[tuple[Any, float | None]]:
    """A learner at several sizes of what it perturbs with; as it is, where it takes none or was given one."""
    if isinstance(method, str) or not callable(method):
        return [(method, None)]
    given = {*method.keywords} if isinstance(method, partial) else set()
    for name, parameter in inspect.signature(method).parameters.items():
        if name in SIZES and name not in given and isinstance(parameter.default, float):
            sizes = [float(f"{factor * parameter.default:.2g}") for factor in factors]
            return [(partial(method, **{name: size}), size) for size in sizes]
    return [(method, None)]
