"""What programmed cells have in common: a closed loop writes each to a target, and misses it by chance.

A drive sets a new target, the knob plus the drive, held to -1..1, for the cells it touches; their
conductances are written anew with the technology's programming noise, and their clock starts again. Other
cells are left alone. The target is remembered outside the array, as write-verify controllers do. A probe
of the knobs is an additive input on top of the held conductances, and writes nothing.

Time is added up in `pending_seconds` and worked out once `aging_interval` seconds have gathered, so that
ageing by many short steps costs little; its law depends on time since the write alone, so ageing composes.
"""

from abc import abstractmethod
from dataclasses import dataclass
from math import inf
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from ..device import Cells, Device
from ..randomness import Fabrication, Noise
from ..settings import setting


class ProgrammedCells(NamedTuple):
    """Conductances in uS, currents in nA, held in pairs; weights = (plus - minus) / g_range."""

    knobs: Tensor  # (*fleet, tiles, rows, cols), the target, and a probe's input on top
    weights: Tensor  # what the held pair comes to, and a probe's input on top
    target: Tensor  # what was last written
    plus: Tensor  # what is held
    minus: Tensor  # what is held
    since_write: Tensor  # s from the write to when ageing was last worked out; float64
    pending_seconds: Tensor  # (*fleet, tiles, 1, 1), s gathered since; float64


class AnyProgrammedCells(Cells, Protocol):
    """Cells that are written to a target and keep time: at least the fields of `ProgrammedCells`."""

    @property
    def weights(self) -> Tensor: ...
    @property
    def target(self) -> Tensor: ...
    @property
    def plus(self) -> Tensor: ...
    @property
    def minus(self) -> Tensor: ...
    @property
    def since_write(self) -> Tensor: ...
    @property
    def pending_seconds(self) -> Tensor: ...


H = TypeVar("H", bound=AnyProgrammedCells)


@dataclass(frozen=True)
class Programmed(Device[H]):
    """A closed loop writes, time passes; a technology states its pair, its error and the law of time."""

    read_noise: float = setting(meaning="white noise of every reading", unit="V rms", range=(0, inf))

    @property
    @abstractmethod
    def g_range(self) -> float:
        """Difference of a pair that counts as a weight of 1, in the unit of the pair."""
        ...

    @property
    def aging_interval(self) -> float:
        """Seconds that may gather before ageing is worked out; infinite for cells that do not age."""
        return inf

    @abstractmethod
    def conductances(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """The conductances (or currents) to which a pair is written, each of the shape of `target`."""
        ...

    @abstractmethod
    def programming_error(self, wanted: Tensor) -> Tensor:
        """Sd of what is written around the conductance (or current) that is wanted, of its shape."""
        ...

    def write(self, cells: H, target: Tensor, touched: Tensor, normals: tuple[Tensor, Tensor]) -> H:
        """Write the cells that are touched to their targets.

        Args:
            cells: one layer's.
            target: (*fleet, tiles, rows, cols), within -1..1.
            touched: which cells are written, bool, the same shape.
            normals: a standard normal for each cell of each pair, the same shape.

        Returns:
            The cells afterwards; their weights are not worked out yet.
        """
        plus, minus = (
            torch.where(touched, (wanted + self.programming_error(wanted) * normal).clamp(min=0), old)
            for wanted, normal, old in zip(
                self.conductances(target), normals, (cells.plus, cells.minus), strict=True
            )
        )
        written: H = cells._replace(plus=plus, minus=minus)
        return written

    def with_effective_weights(self, cells: H) -> H:
        """The cells with the weights that their conductances come to, so that a reading is one product."""
        weighted: H = cells._replace(weights=(cells.plus - cells.minus) / self.g_range)
        return weighted

    def evolve(self, cells: H, before: Tensor, after: Tensor, seconds: float, noise: Noise) -> H:
        """Let conductances drift, relax or flicker; by default they hold what was written.

        Args:
            cells: one layer's.
            before: s since each cell's write when the time begins, (*fleet, tiles, rows, cols), float64.
            after: s since each cell's write when it ends, the same.
            seconds: that pass.
            noise: the chips' own draws for this use.

        Returns:
            The cells afterwards; their weights are not worked out yet.
        """
        del before, after, seconds, noise  # holds what was written
        return cells

    def first_write(self, cells: H, birth: Fabrication) -> H:
        """Write blank cells to their targets in the factory."""
        normals = (
            birth.normal("plus", *cells.knobs.shape[-2:]),
            birth.normal("minus", *cells.knobs.shape[-2:]),
        )
        everywhere = torch.ones_like(cells.target, dtype=torch.bool)
        return self.with_effective_weights(self.write(cells, cells.target, everywhere, normals))

    def pulse(self, cells: H, drive: Tensor, noise: Noise) -> H:
        target = (cells.knobs + drive).clamp(-1, 1)
        touched = (drive != 0) | (cells.knobs != cells.target)  # the latter: somebody erased it
        normals = (noise.normal(drive), noise.normal(drive))
        written = self.write(cells, target, touched, normals)
        return self.with_effective_weights(
            written._replace(
                knobs=target,
                target=target,
                # seconds that are pending passed before the write
                since_write=torch.where(touched, -cells.pending_seconds, cells.since_write),
            )
        )

    def perturb(self, cells: H, offset: Tensor) -> H:
        perturbed: H = cells._replace(knobs=cells.knobs + offset, weights=cells.weights + offset)
        return perturbed

    def age(self, cells: H, seconds: float, noise: Noise) -> H:
        pending = cells.pending_seconds + seconds
        total = float(pending.max())
        if total < self.aging_interval:
            waiting: H = cells._replace(pending_seconds=pending)
            return waiting
        after = cells.since_write + pending
        evolved = self.evolve(cells, cells.since_write.clamp(min=0), after, total, noise)
        return self.with_effective_weights(
            evolved._replace(since_write=after, pending_seconds=torch.zeros_like(pending))
        )

    def collect(self, cells: H, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.weights.mT

    def weights(self, cells: H) -> Tensor:
        return cells.weights

    def sense(self, cells: H, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: H, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()


def one_sided_pair(target: Tensor, g_range: float) -> tuple[Tensor, Tensor]:
    """A pair of which one side holds |target| * full and the other nothing, each of the target's shape."""
    return g_range * target.clamp(min=0), g_range * (-target).clamp(min=0)


def blank_fields(rows: int, cols: int, birth: Fabrication) -> dict[str, Any]:
    """The fields of `ProgrammedCells` with scattered targets and nothing written yet."""
    target = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(-1, 1)
    zero = torch.zeros_like(target)
    return {
        "knobs": target,
        "target": target.clone(),
        "weights": zero,
        "plus": zero.clone(),
        "minus": zero.clone(),
        "since_write": torch.zeros_like(target, dtype=torch.float64),
        "pending_seconds": torch.zeros_like(target[..., :1, :1], dtype=torch.float64),
    }
