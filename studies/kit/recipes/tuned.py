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
RATES: Final = (0.3, 1.0, 3.0)  # of the default learning rate, that are tried
STEP: Final = 3.0  # from one size to the next
MOST: Final = 5  # sizes that are tried


class Settings(NamedTuple):
    """What was chosen for a learner."""

    method: Any  # the learner, with its size
    size: float | None  # of what it perturbs with; None where it takes none
    learning_rate: float | None  # None where it has one of its own
    accuracy: float = 0.0  # of the worst chip with these, on held-out data


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

    def choose(self, method: Any, identities: Sequence[int]) -> Settings:
        """The size and the learning rate whose worst chip does best on held-out training data.

        Sizes go up and down from the default, each three times or a third of the one before, until they do
        worse; at each, the same chips learn side by side at each of three learning rates. Of a
        learner that has its own size or rate, that is left as it is.

        Args:
            method: a name of ours, a learner, or what gives one.
            identities: of the chips that try; others than those that will learn.
        """
        search = replace(self, data=held_out(self.data))
        default = default_size(method)
        if default is None:
            return search.try_rates(method, None, identities)
        tried = {0: search.try_rates(method, default, identities)}
        while len(tried) < MOST:
            best = max(tried, key=lambda step: tried[step].accuracy)
            beside = [step for step in (best + 1, best - 1) if step not in tried]
            if not beside:
                break
            size = float(f"{default * STEP ** beside[0]:.2g}")
            tried[beside[0]] = search.try_rates(method, size, identities)
        return max(tried.values(), key=lambda settings: settings.accuracy)

    def try_rates(self, method: Any, size: float | None, identities: Sequence[int]) -> Settings:
        """The learning rate whose worst chip does best, at one size of what it perturbs with.

        Args:
            method: a learner that has a size, if one is given.
            size: of its nudge or probe; None: its own.
            identities: of the chips that try.
        """
        name = _size_name(method)
        sized = method if size is None or name is None else partial(method, **{name: size})
        factors = RATES if takes_update(method) else (1.0,)
        fleet = self.chips([*identities] * len(factors))
        scaled = torch.tensor(factors).repeat_interleave(len(identities))
        *_, end = self.train(sized, fleet, scaled, points=1)
        found = torch.tensor(end["accuracy"] or [0.0] * len(scaled))  # none if they died
        scores = found.view(len(factors), -1).amin(-1).tolist()  # what fails on one chip will fail on others
        best = scores.index(max(scores))
        rate = factors[best] * self.learning_rate if takes_update(method) else None
        return Settings(sized, size, rate, scores[best])

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


def default_size(method: Any) -> float | None:
    """The default size of what a learner perturbs with; None where it takes none or was given one."""
    name = _size_name(method)
    return None if name is None else float(inspect.signature(method).parameters[name].default)


def _size_name(method: Any) -> str | None:
    if isinstance(method, str) or not callable(method):
        return None
    given = {*method.keywords} if isinstance(method, partial) else set()
    for name, parameter in inspect.signature(method).parameters.items():
        if name in SIZES and name not in given and isinstance(parameter.default, float):
            return name
    return None
