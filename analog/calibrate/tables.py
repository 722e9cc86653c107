"""What was done to cells, and what they showed."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Plan:
    """What is done to cells: before each reading they wait, are pulsed or written, and wait."""

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

    @property
    def histories(self) -> tuple[Tensor, Tensor]:
        """The different histories (histories, rows), and which of them each cell had (cells,)."""
        different, which = self.actions.unique(dim=0, return_inverse=True)
        return different, which

    @property
    def written(self) -> tuple[bool, ...]:
        """Before which rows a cell is written."""
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
class Table:
    """A plan that was carried out."""

    plan: Plan
    readings: Tensor  # (cells, rows), float64
