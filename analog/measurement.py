"""What is done to cells at the bench, and what they showed: plans of measurements and their tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scale:
    """A scale of conductances or currents: that of knob 0, and the difference that counts as full scale.

    Raises:
        ValueError: a number is not finite, or the full scale not above 0.
    """

    zero: float  # S or A
    full_scale: float  # S or A

    def __post_init__(self) -> None:
        if not math.isfinite(self.zero) or not 0 < self.full_scale < math.inf:
            raise ValueError(f"{self}: wanted a finite zero, and a full scale above 0")

    @classmethod
    def of_range(cls, values: Sequence[float]) -> "Scale":
        """The scale on which values go from -1 to 1."""
        return cls((max(values) + min(values)) / 2, (max(values) - min(values)) / 2)

    def in_full_scales(self, value: float) -> float:
        """A conductance or current in full scales."""
        return (value - self.zero) / self.full_scale


@dataclass(frozen=True, eq=False)
class MeasurementPlan:
    """A protocol of measurement: before each reading, cells wait, are pulsed or written, and wait again.

    Raises:
        ValueError: actions, seconds and inputs do not have the same number of rows.
    """

    kind: Literal["pulses", "target"]
    actions: Tensor  # (cells, rows), pulses or targets, float64
    seconds: tuple[float, ...]  # (rows,), of the clock (pulses) or since the last write (target)
    inputs: tuple[float, ...]  # (rows,)
    shown: Literal["reading", "activity"] = "reading"  # before or behind the neuron

    def __post_init__(self) -> None:
        rows = self.actions.shape[-1]
        if self.actions.ndim != 2 or len(self.seconds) != rows or len(self.inputs) != rows:
            raise ValueError(
                f"plan: actions are {tuple(self.actions.shape)}, seconds {len(self.seconds)}, "
                f"inputs {len(self.inputs)}; wanted (cells, rows), rows, rows"
            )

    def __repr__(self) -> str:
        cells, rows = self.actions.shape
        return f"MeasurementPlan({self.kind}, {cells:,} cells, {rows:,} rows of each, shows {self.shown})"

    @classmethod
    def trains(
        cls, cells: int, pulses: Sequence[int], seconds: Sequence[float] | None = None
    ) -> "MeasurementPlan":
        """A plan that sends the same trains of pulses to every cell and reads it after each.

        Args:
            cells: how many cells are measured.
            pulses: length of each train, negative downwards.
            seconds: on the clock at each reading; None: at once.
        """
        once = torch.tensor(pulses, dtype=torch.float64)
        times = tuple(seconds or (0.0,) * len(pulses))
        return cls("pulses", once.expand(cells, -1).clone(), times, (1.0,) * len(pulses))

    @classmethod
    def targets(
        cls,
        cells: int,
        levels: Sequence[float],
        seconds: Sequence[float],
        inputs: Sequence[float],
        shown: Literal["reading", "activity"] = "reading",
    ) -> "MeasurementPlan":
        """A plan that writes each cell to one of some levels, in turn, and reads it at some times.

        Args:
            cells: how many cells are measured.
            levels: targets in full scales; the first cell gets the first, the next the next, and so on.
            seconds: since the last write, of each reading; where it does not grow the cell is written again.
            inputs: what the wire carries at each reading.
            shown: what is read: before the neuron or behind it.
        """
        column = torch.tensor(levels, dtype=torch.float64).repeat(cells // len(levels) + 1)[:cells]
        actions = column[:, None].repeat(1, len(seconds))
        return cls("target", actions, tuple(seconds), tuple(inputs), shown)

    @cached_property
    def histories(self) -> tuple[Tensor, Tensor]:
        """The different histories (histories, rows), and which of them each cell had (cells,)."""
        different, which = self.actions.unique(dim=0, return_inverse=True)
        return different, which

    @property
    def written(self) -> tuple[bool, ...]:
        """Whether a cell is written before each row."""
        if self.kind == "pulses":
            return (False,) * len(self.seconds)
        return tuple(k == 0 or t <= self.seconds[k - 1] for k, t in enumerate(self.seconds))

    @property
    def waits(self) -> tuple[float, ...]:
        """Seconds waited before each row: before the pulses, but after the write."""
        before = (0.0, *self.seconds)
        return tuple(
            t if w else t - b for t, b, w in zip(self.seconds, before[:-1], self.written, strict=True)
        )


@dataclass(frozen=True, eq=False)
class MeasurementTable:
    """A plan that was carried out, and its readings."""

    plan: MeasurementPlan
    readings: Tensor  # (cells, rows), float64

    def __repr__(self) -> str:
        low, high = (float(end) for end in self.readings.aminmax()) if self.readings.numel() else (0.0, 0.0)
        return f"MeasurementTable({self.plan}, from {low:.3g} to {high:.3g})"
