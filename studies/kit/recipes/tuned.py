"""Learners compared at equal reads, each at the settings that do best on held-out training data."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import torch

from analog import Chip, Device, Layer, Port
from learners import CrossEntropy, Loss, sgd
from learners.data import Dataset, held_out

from ..run.study import Row
from .equal_reads import LEARNING_RATE, Settings, train_within_reads
from .methods import Setup, default_size, make_learner, takes_update

STEP: Final = 3.0  # from one size, or one learning rate, to the next
TRIES: Final = 8  # settings that are tried for each learner


class Point(NamedTuple):
    """Where a try stands: steps up or down from the defaults, and which of the write thresholds."""

    rate: int = 0
    size: int = 0
    threshold: int = 0


class Chosen(NamedTuple):
    """What was chosen for a learner."""

    settings: Settings
    accuracy: float  # of the worst chip with these, on held-out data
    tries: int  # settings that were tried


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
    learning_rate: float = LEARNING_RATE  # of Adam, that is tried first
    write_thresholds: Sequence[float | None] = (None,)  # full scale, that are tried, from the first on
    tries: int = TRIES  # settings of each learner

    def chips(self, identities: Sequence[int]) -> Chip:
        """A fleet that learns."""
        return Chip(self.device, tuple(self.layers), tuple(identities), noise_seed=self.seed)

    def choose(self, method: Any, identities: Sequence[int]) -> Chosen:
        """The settings whose worst chip does best on held-out training data, out of `tries`.

        It is compass search (Kolda, Lewis and Torczon 2003, https://doi.org/10.1137/S003614450242889): of the
        defaults, and then again and again of the best so far, all neighbors are tried, three times or a third
        of the learning rate or of the size, and the next write threshold, until none is left or the tries
        are used up. What a learner does not take is not varied. Rates at one size learn side by side.

        Args:
            method: a name of ours, a learner, or what gives one.
            identities: of the chips that try; others than those that will learn.

        Raises:
            TooDear: the reads do not pay for one step.
            ValueError: the learner is none, or does not fit the chip.
        """
        search, found = replace(self, data=held_out(self.data)), dict[Point, float]()
        best = Point()
        while len(found) < self.tries:
            near = [p for p in (best, *self._neighbors(method, best)) if p not in found]
            if not near:
                break
            found |= search.try_points(method, near[: self.tries - len(found)], identities)
            best = max(found, key=lambda point: found[point])
        return Chosen(self.settings(method, best), found[best], len(found))

    def _neighbors(self, method: Any, point: Point) -> Iterator[Point]:
        updated = takes_update(method)
        if updated:
            yield from (point._replace(rate=point.rate + step) for step in (1, -1))
        if default_size(method) is not None:
            sizes = (point._replace(size=point.size + step) for step in (1, -1))
            yield from (near for near in sizes if self._is_taken(method, self.settings(method, near).size))
        if updated:
            near = (point.threshold + step for step in (1, -1))
            yield from (point._replace(threshold=k) for k in near if 0 <= k < len(self.write_thresholds))

    def _is_taken(self, method: Any, size: float | None) -> bool:
        """Whether a learner takes such a size; some have a largest one."""
        try:
            make_learner(method, Setup(self.chips([0]), sgd(1.0), size=size, loss=self.loss))
        except ValueError:
            return False
        return True

    def settings(self, method: Any, point: Point) -> Settings:
        """The settings of a try.

        Args:
            method: a name of ours, a learner, or what gives one.
            point: where the try stands.
        """
        default, size = default_size(method), None
        if default is not None:
            size = float(f"{default * STEP**point.size:.2g}") if point.size else default
        rate = self.learning_rate * STEP**point.rate
        return Settings(size, rate, self.write_thresholds[point.threshold])

    def try_points(
        self, method: Any, points: Sequence[Point], identities: Sequence[int]
    ) -> dict[Point, float]:
        """How well the worst chip does at each of some settings; 0 where all died.

        Args:
            method: a name of ours, a learner, or what gives one.
            points: the tries.
            identities: of the chips that try.
        """
        found = dict[Point, float]()
        for alike in dict.fromkeys(point._replace(rate=0) for point in points):
            rates = [point.rate for point in points if point._replace(rate=0) == alike]
            fleet = self.chips([*identities] * len(rates))
            factors = torch.tensor([STEP**rate for rate in rates]).repeat_interleave(len(identities))
            *_, end = self.train(method, fleet, self.settings(method, alike), factors, points=1)
            scores = torch.tensor(end["accuracy"] or [0.0] * len(factors))
            worst = scores.view(len(rates), -1).amin(-1)  # what fails on one chip will fail on others
            found |= {alike._replace(rate=rate): float(s) for rate, s in zip(rates, worst, strict=True)}
        return found

    def train(
        self,
        method: Any,
        chip: Chip,
        settings: Settings = Settings(),
        factors: torch.Tensor | None = None,
        points: int = 4,
    ) -> Iterator[Row]:
        """Rows of `train_within_reads` by these settings."""
        yield from train_within_reads(
            method,
            chip,
            self.data,
            reads=self.reads,
            seed=self.seed,
            batch=self.batch,
            loss=self.loss,
            factors=factors if takes_update(method) else None,
            wired=self.wired,
            points=points,
            **settings._asdict(),
        )
