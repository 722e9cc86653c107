"""Experiments on one column of simulated cells, of which the pictures are drawn."""

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from ..device import Device
from ..randomness import Fabrication, Noise
from ..streams import stream

SHAPED: Final = 0.05  # full scale, asked of a pulse where one shaped pulse makes any change
POINTS: Final = 50  # readings in each direction of a pulse response
LEVELS: Final = 9  # states from which a few pulses are sent
REPEATS: Final = 24  # times, from each
VISIBLE: Final = 0.02  # full scale, that as many pulses go as are sent at once
TIMES: Final = 10.0 ** torch.linspace(-6, 8.5, 30, dtype=torch.float64)  # s, a microsecond to ten years
READS: Final = 256  # of each cell, one after the other


class PulseResponse(NamedTuple):
    """States of cells that are pulsed upwards, then downwards."""

    pulses: Tensor  # (points,), sent so far
    states: Tensor  # (points, cells), full scale


class StepResponse(NamedTuple):
    """Changes of cells by a few pulses from some states, sent again and again from the same state."""

    states: Tensor  # (levels,), mean before the pulse, full scale
    means: Tensor  # (levels,), of the change, full scale
    cycle_sd: Tensor  # (levels,), from time to time
    cell_sd: Tensor  # (levels,), of the cells' means


class Retention(NamedTuple):
    """States of cells that are left alone."""

    seconds: Tensor  # (times,)
    states: Tensor  # (times, levels, cells), full scale


class ReadNoise(NamedTuple):
    """Noise of readings that are averaged, over cells read again and again."""

    averaged: Tensor  # (windows,), readings in a mean
    sd: Tensor  # (windows,), of such means, V


@dataclass(frozen=True)
class Column:
    """A column of simulated cells of a device.

    Attributes:
        device: of the cells.
        count: of cells.
        seed: of who they are, and of all noise.
    """

    device: Device[Any]
    count: int
    seed: int = 0

    @property
    def step(self) -> float:
        """The drive of one pulse, full scale."""
        return self.device.costs.step or SHAPED

    @property
    def few(self) -> int:
        """As many pulses as go far enough to be seen."""
        return math.ceil(VISIBLE / self.step)

    def blank(self) -> Any:
        """The cells with their knobs at 0."""
        like = torch.empty(0, dtype=torch.float64)
        birth = Fabrication((stream_number(self.seed),), (), 0, 1, like)
        cells = self.device.fabricate(self.count, 1, birth)
        return self.device.perturb(cells, -cells.knobs)

    def noise(self, *path: str | int) -> Noise:
        """Noise of its own for each use."""
        return Noise(stream(self.seed, "plots", *path))

    def states(self, cells: Any) -> Tensor:  # (cells,)
        """The states of cells: their outputs at full input without the noise of readings, full scale."""
        one = torch.ones(1, 1, 1, dtype=torch.float64)
        return self.device.collect(cells, one, Noise.none())[0, 0].detach()

    def ends(self, cells: Any) -> tuple[float, float]:
        """The range of knobs that is shown: the median bounds, or -1 to 1 where none are stated."""
        bounds = self.device.bounds(cells)
        if bounds is None:
            return -1.0, 1.0
        low, high = (float(bound.median()) for bound in bounds)
        return (low, high) if low < high else (-1.0, 1.0)

    def written(self, levels: int) -> tuple[Any, Tensor]:
        """Cells at states spread over the range, and which level each was sent to, (cells,)."""
        cells = self.blank()
        low, high = self.ends(cells)
        which = torch.arange(self.count) % levels
        targets = torch.linspace(0.8 * low, 0.8 * high, levels, dtype=torch.float64)[which]
        drive = targets.reshape(cells.knobs.shape)
        return self.device.pulse(cells, drive, self.noise("write", levels)), which


def stream_number(seed: int) -> int:
    """The identity of the cells of a seed, far from anybody's chips."""
    return int(torch.randint(2**40, 2**41, (), generator=stream(seed, "plots", "identity")))


@torch.no_grad()
def respond_to_pulses(column: Column) -> PulseResponse:
    """Send pulses upwards from the lower bound for more than a nominal crossing, then as many downwards."""
    cells = column.blank()
    low, high = column.ends(cells)
    per = max(1, math.ceil(1.2 * (high - low) / column.step / POINTS))
    bottom = low if column.device.bounds(cells) is None else 2 * low  # beyond all cells' own bounds
    cells = column.device.pulse(cells, torch.full_like(cells.knobs, bottom), column.noise("down"))
    shown, pulses = [column.states(cells)], [0]
    for point in range(2 * POINTS):
        way = 1 if point < POINTS else -1
        drive = torch.full_like(cells.knobs, way * per * column.step)
        cells = column.device.pulse(cells, drive, column.noise("pulse", point))
        shown.append(column.states(cells))
        pulses.append(pulses[-1] + per)
    return PulseResponse(torch.tensor(pulses), torch.stack(shown))


@torch.no_grad()
def respond_to_steps(column: Column, way: int) -> StepResponse:
    """Send a few pulses from each of some states, again and again from the same.

    Args:
        column: of cells; as many as there are levels, or more.
        way: 1 for upwards, -1 for downwards.
    """
    cells, which = column.written(LEVELS)
    drive = torch.full_like(cells.knobs, way * column.few * column.step)
    before = column.states(cells)
    after = [column.device.pulse(cells, drive, column.noise("step", way, k)) for k in range(REPEATS)]
    change = torch.stack([column.states(each) for each in after]) - before  # (repeats, cells)
    groups = [which == level for level in range(LEVELS)]
    return StepResponse(
        torch.stack([before[group].mean() for group in groups]),
        torch.stack([change[:, group].mean() for group in groups]),
        torch.stack([change[:, group].var(0).mean().sqrt() for group in groups]),
        torch.stack([change[:, group].mean(0).std(correction=0) for group in groups]),
    )


@torch.no_grad()
def retain(column: Column, levels: int = 5) -> Retention:
    """Leave cells alone at some states, from a microsecond to ten years."""
    cells, which = column.written(levels)
    shown, now = [], 0.0
    for at, seconds in enumerate(TIMES.tolist()):
        cells = column.device.age(cells, seconds - now, column.noise("age", at))
        shown.append(column.states(cells))
        now = seconds
    states = torch.stack(shown)
    few = int(which.bincount(minlength=levels).min())
    grouped = torch.stack([states[:, which == level][:, :few] for level in range(levels)], 1)
    return Retention(TIMES, grouped)


@torch.no_grad()
def average_readings(column: Column) -> ReadNoise:
    """Read cells again and again at full input, and average more and more readings."""
    cells, _ = column.written(LEVELS)
    one, device, shown = torch.ones(1, 1, 1, dtype=torch.float64), column.device, []
    for at in range(READS):
        noise = column.noise("read", at)
        shown.append(device.sense(cells, device.collect(cells, one, noise), noise)[0, 0])
        cells = device.age(cells, device.costs.read_seconds, column.noise("between", at))
    readings = torch.stack(shown)  # (reads, cells)
    windows = [2**k for k in range(int(math.log2(READS)) - 2)]
    means = [readings.unflatten(0, (-1, window)).mean(1) for window in windows]
    return ReadNoise(torch.tensor(windows), torch.stack([m.var(0).mean().sqrt() for m in means]))
