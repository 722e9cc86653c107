"""What programmed cells have in common: a closed loop writes each to a target, and misses it by chance.

A drive sets a new target, the knob plus the drive, held to -1..1, for the cells it touches; their
conductances are written anew with the technology's programming noise, and their clock starts again. Other
cells are left alone. The target is remembered outside the array, as write-verify controllers do. A probe
of the knobs is an additive input on top of the held conductances, and writes nothing.

Time is added up in `idle` and worked out once `patience` seconds have gathered, so that ageing by many
short steps costs little; its law depends on time since the write alone, so ageing composes.
"""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple
from typing import Protocol
from typing import TypeVar

import torch
from torch import Tensor

from ..device import Cells
from ..device import Device
from ..randomness import Fabrication
from ..randomness import Noise


class HeldCells(NamedTuple):
    """Conductances in uS, currents in nA, held in pairs; weights = (plus - minus) / full scale."""

    knobs: Tensor  # (*fleet, tiles, rows, cols), the target, and a probe's input on top
    weights: Tensor  # what the held pair comes to, and a probe's input on top
    target: Tensor  # what was last written
    plus: Tensor  # what is held
    minus: Tensor  # what is held
    since: Tensor  # s from the write to when ageing was last worked out; float64
    idle: Tensor  # (*fleet, tiles, 1, 1), s gathered since; float64


class Held(Cells, Protocol):
    """Cells that are written to a target and keep time: at least the fields of `HeldCells`."""

    @property
    def weights(self) -> Tensor: ...
    @property
    def target(self) -> Tensor: ...
    @property
    def plus(self) -> Tensor: ...
    @property
    def minus(self) -> Tensor: ...
    @property
    def since(self) -> Tensor: ...
    @property
    def idle(self) -> Tensor: ...


H = TypeVar("H", bound=Held)


@dataclass(frozen=True)
class Programmed(Device[H]):
    """A closed loop writes, time passes; a technology states its pair, its miss and the law of time."""

    read_noise: float  # V rms, white noise of every reading

    @property
    @abstractmethod
    def full(self) -> float:
        """Difference of a pair that counts as a weight of 1."""
        ...

    @property
    def patience(self) -> float:
        """Seconds that may gather before ageing is worked out; infinite for cells that do not age."""
        return math.inf

    @abstractmethod
    def pair(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """The conductances (or currents) to which a pair is written."""
        ...

    @abstractmethod
    def miss(self, wanted: Tensor) -> Tensor:
        """Sd of what is written around what is wanted."""
        ...

    def rewritten(self, cells: H, target: Tensor, touched: Tensor, normals: tuple[Tensor, Tensor]) -> H:
        """The cells with those that are touched written to `target`, given standard normals."""
        plus, minus = (
            torch.where(touched, (wanted + self.miss(wanted) * normal).clamp(min=0), held)
            for wanted, normal, held in zip(
                self.pair(target), normals, (cells.plus, cells.minus), strict=True
            )
        )
        written: H = cells._replace(plus=plus, minus=minus)
        return written

    def weighed(self, cells: H) -> H:
        """The cells with their weights worked out."""
        weighed: H = cells._replace(weights=(cells.plus - cells.minus) / self.full)
        return weighed

    def aged(self, cells: H, before: Tensor, after: Tensor, seconds: float, noise: Noise) -> H:
        """The cells as they go, in `seconds`, from `before` to `after` seconds since their writes."""
        del before, after, seconds, noise  # holds what was written
        return cells

    def born(self, cells: H, birth: Fabrication) -> H:
        """Blank cells, written for the first time in the factory."""
        normals = (
            birth.normal("plus", *cells.knobs.shape[-2:]),
            birth.normal("minus", *cells.knobs.shape[-2:]),
        )
        everywhere = torch.ones_like(cells.target, dtype=torch.bool)
        return self.weighed(self.rewritten(cells, cells.target, everywhere, normals))

    def pulse(self, cells: H, drive: Tensor, noise: Noise) -> H:
        target = (cells.knobs + drive).clamp(-1, 1)
        touched = (drive != 0) | (cells.knobs != cells.target)  # the latter: somebody erased it
        normals = (noise.normal(drive), noise.normal(drive))
        written = self.rewritten(cells, target, touched, normals)
        return self.weighed(
            written._replace(
                knobs=target,
                target=target,
                since=torch.where(touched, -cells.idle, cells.since),  # idle time was before the write
            )
        )

    def perturb(self, cells: H, offset: Tensor) -> H:
        nudged: H = cells._replace(knobs=cells.knobs + offset, weights=cells.weights + offset)
        return nudged

    def age(self, cells: H, seconds: float, noise: Noise) -> H:
        gathered = cells.idle + seconds
        total = float(gathered.max())
        if total < self.patience:
            waiting: H = cells._replace(idle=gathered)
            return waiting
        after = cells.since + gathered
        aged = self.aged(cells, cells.since.clamp(min=0), after, total, noise)
        return self.weighed(aged._replace(since=after, idle=torch.zeros_like(gathered)))

    def collect(self, cells: H, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.weights.mT

    def sense(self, cells: H, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: H, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()


def at_least_zero(device: object, **values: float) -> None:
    """Raise ValueError unless each value is finite and at least 0."""
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{type(device).__name__}: {name} is {value}; wanted finite and at least 0")


def fresh(rows: int, cols: int, birth: Fabrication) -> dict[str, Any]:
    """The fields of `HeldCells` with scattered targets and nothing written yet."""
    target = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(-1, 1)
    zero = torch.zeros_like(target)
    clock = torch.zeros_like(birth.normal("idle", 1, 1), dtype=torch.float64)
    since = torch.zeros_like(target, dtype=torch.float64)
    held = {"weights": zero, "plus": zero.clone(), "minus": zero.clone(), "since": since, "idle": clock}
    return {"knobs": target, "target": target.clone(), **held}
