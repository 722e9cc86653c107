"""The datasheet of a chip: its layers, what their use costs, and where tensors live."""

import math
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from .access import Access
from .costs import Costs
from .layers.crossbar import Layer
from .layers.recurrence import count_steps
from .rejection import Rejected
from .streams import require_place

Knobs = tuple[Tensor, ...]  # one per layer: (*fleet, tiles, rows, cols)
# How a cell acts on its two nodes. Of a chip that relaxes its energy, times what the knob comes to, is minus
# the product of their states, or half the square of their difference.
Synapse = Literal["one-way", "product", "difference"]


class BadInput(Rejected, ValueError):
    """Something sent into a port has the wrong form; the chip did not see it."""


@dataclass(frozen=True)
class Budget:
    """Limits on what a chip may be put through; None is no limit.

    Raises:
        ValueError: a limit is negative or not finite.
    """

    reads: float | None = None  # vectors driven through any one layer
    pulses_per_cell: float | None = None  # mean over the cells of any one chip
    joules: float | None = None  # J, of any one chip
    seconds: float | None = None  # s, on the chip's clock

    def __post_init__(self) -> None:
        if not all(0 <= limit < math.inf for limit in self.limits.values()):
            raise ValueError(f"budgets are finite and at least 0, or None; got {self.limits}")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {name: limit for name, limit in asdict(self).items() if limit is not None}

    def max_reads(self, spec: "Spec") -> int:
        """How many reads of one stimulus through the whole chip fit, by the datasheet.

        Raises:
            ValueError: nothing limits them.
        """
        prices = {
            "reads": float(max(map(count_steps, spec.layers))),
            "joules": spec.costs.read_joules(spec.layers),
            "seconds": spec.costs.reading_seconds(1, spec.passes),
        }
        fitting = [
            self.limits[n] / price * (1 + 1e-9) for n, price in prices.items() if price and n in self.limits
        ]
        if not fitting:
            raise ValueError(f"{self} does not limit the reads of a chip that cost {spec.costs}")
        return int(min(fitting))


@dataclass(frozen=True)
class Spec:
    """The datasheet of a chip: nothing sampled, nothing hidden.

    Raises:
        BadInput: there is no layer, or one does not fit on the one below.
        ValueError: tensors cannot live there.
    """

    layers: tuple[Layer, ...]
    costs: Costs = field(default_factory=Costs)
    fleet: tuple[int, ...] = ()  # () one chip, (n,) n chips
    dtype: torch.dtype = torch.float32  # of everything on the wires
    on: str = "cpu"  # where tensors live
    access: Access = Access()  # what the wires show
    synapse: Synapse = "one-way"  # how a cell acts on its two nodes
    repeats: int = 1  # readings of the hardware for one measurement, by wires that average; all are charged
    precision: torch.dtype | None = None  # of the factors of large products; None: `dtype`

    def __post_init__(self) -> None:
        if not self.layers:
            raise BadInput("spec: a chip needs at least one layer, got none")
        require_place(self.on)
        for i, (before, after) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            if before.features != after.features_in:
                raise BadInput(
                    f"spec: layer {i} has {before.features} outputs, layer {i + 1} wants {after.features_in}"
                )

    @cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each layer's knobs, (*fleet, tiles, rows, cols)."""
        return tuple((*self.fleet, la.tiles, la.rows, la.cols) for la in self.layers)

    @cached_property
    def place(self) -> torch.device:
        """Where tensors live."""
        return torch.device(self.on)

    @property
    def sizes(self) -> str:
        """The number of inputs and of every layer's outputs, e.g. `64-64-10`."""
        return "-".join(str(n) for n in (self.layers[0].features_in, *(la.features for la in self.layers)))

    @cached_property
    def passes(self) -> int:
        """How many times in a row an example drives tiles: once in each layer, or in each step of one."""
        return sum(map(count_steps, self.layers))

    def zeros(self) -> Knobs:
        """Knobs that are all zero."""
        return tuple(torch.zeros(s, dtype=self.dtype, device=self.on) for s in self.shapes)

    def vectors(self, tap: Tensor) -> int:
        """How many vectors each chip was driven with to give this tap: probes times batch.

        Args:
            tap: (*probes, *fleet, batch, features)
        """
        return tap.numel() // tap.shape[-1] // math.prod(self.fleet)

    def span(self, first: int = 0, last: int | None = None) -> "Spec":
        """The datasheet of layers first..last (inclusive; None is the read-out) taken alone.

        Raises:
            BadInput: there are no such layers.
        """
        top = len(self.layers) - 1
        end = top if last is None else last
        for name, value in (("first", first), ("last", end)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
                raise BadInput(f"span: {name} is {value!r}, the chip has layers 0..{top}")
        if first > end:
            raise BadInput(f"span: {first}..{end} runs backwards; first must not be above last")
        if (first, end) == (0, top):
            return self
        if (first, end) not in self._spans:
            self._spans[first, end] = replace(self, layers=self.layers[first : end + 1])
        return self._spans[first, end]

    @cached_property
    def _spans(self) -> "dict[tuple[int, int], Spec]":
        """Datasheets of parts that were asked for; a step asks for the same ones again and again."""
        return {}
