"""A device straight from a measured table: change of one pulse against state, with its spread, up and down.

aihwkit calls it a piecewise step (https://aihwkit.readthedocs.io). Where we differ and why: tables have any
states, interpolated monotonously, and an sd of their own at each; a train of pulses is one lookup (see
`step_flow`), not a loop. No provenance but that of the table: `tabulate_steps` makes one from measured
histories, `tabulate_curve` from one digitised curve.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from ..costs import Costs
from ..device import Device
from ..measurement import MeasurementPlan, Scale
from ..randomness import Fabrication, Noise
from ..settings import setting
from .pulsed import SMALLEST_SHARE, train_length
from .step_flow import Row, StepFlow, follow, step_flow

UNSCALED = Scale(0.0, 1.0)


class TabulatedCells(NamedTuple):
    knobs: Tensor  # (*fleet, tiles, rows, cols), the state
    step_scale: Tensor  # (*fleet, tiles, rows, cols), of a cell's steps, in steps of the table


@dataclass(frozen=True)
class Tabulated(Device[TabulatedCells]):
    """A cell whose pulses do what a table says, between bounds beyond which no pulse leads.

    A pulse changes state w by the table's mean plus its sd times a normal, both times the cell's own factor.
    The mean and sd of one pulse are the table's wherever the bounds are some sds away.

    Raises:
        ValueError: rows are fewer than two, not in order of their states, not finite, or go the wrong way;
            or bounds do not have 0 between them.
    """

    up: tuple[Row, ...] = setting(
        meaning="(state, mean change, sd of the change) of a pulse upwards", unit="full scale", fitted=False
    )
    down: tuple[Row, ...] = setting(
        meaning="(state, mean change, sd of the change) of a pulse downwards, changes negative",
        unit="full scale",
        fitted=False,
    )
    w_min: float | None = setting(
        None, "lower bound; None: the lowest state of the table", unit="full scale", range=(-inf, 0)
    )
    w_max: float | None = setting(
        None, "upper bound; None: the highest state of the table", unit="full scale", range=(0, inf)
    )
    step_dtod: float = setting(0.0, "relative sd of the step between cells", range=(0, 1))
    read_noise: float = setting(0.0, "white noise of every reading", unit="V rms", range=(0, inf))

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, sign in (("up", 1), ("down", -1)):
            _check_rows(f"Tabulated: {name}", getattr(self, name), sign)
        low, high = self._ends
        if not low <= 0 <= high or low == high:
            raise ValueError(f"Tabulated: states go from {low:g} to {high:g}; wanted 0 among them, see Scale")
        if not 0 < self._step <= (high - low) / 2:
            raise ValueError(
                f"Tabulated: a pulse at state 0 changes it by {self._step:g}; wanted up to half the range"
            )

    @classmethod
    def from_columns(
        cls, columns: Mapping[str, Sequence[Any]], scale: Scale = UNSCALED, **settings: Any
    ) -> Self:
        """A device from a table in columns.

        Args:
            columns: `state` before a pulse, `change` of the pulse (mean), `direction` ("up" or "down"), and
                `sd` of the change, 0 where it is left out; rows in any order.
            scale: what the states are measured in, e.g. siemens; by default full scales.
            settings: of the device, such as `step_dtod`.

        Raises:
            ValueError: names the column, the row, and what was wanted.
        """
        rows = _rows(columns, scale)
        up, down = (tuple(sorted(row for way, row in rows if way == name)) for name in ("up", "down"))
        return cls(up, down, **settings)

    @property
    def _ends(self) -> tuple[float, float]:
        states = [row[0] for row in (*self.up, *self.down)]
        low = min(states) if self.w_min is None else self.w_min
        return low, max(states) if self.w_max is None else self.w_max

    @property
    def _step(self) -> float:
        """The mean size of a pulse at state 0."""
        sizes = (np.interp(0.0, *np.array(rows).T[:2]) for rows in (self.up, self.down))
        return sum(abs(float(size)) for size in sizes) / 2

    @property
    def costs(self) -> Costs:
        return Costs(step=self._step)  # joules and seconds: Guess, the defaults of Costs

    def fabricate(self, rows: int, cols: int, birth: Fabrication) -> TabulatedCells:
        knobs = (birth.normal("knobs", rows, cols) / cols**0.5).clamp(*self._ends)
        scale = 1 + self.step_dtod * birth.normal("step", rows, cols)
        return TabulatedCells(knobs, scale.clamp(min=SMALLEST_SHARE))

    def pulse(self, cells: TabulatedCells, drive: Tensor, noise: Noise) -> TabulatedCells:
        count = noise.stochastic_round(train_length(drive, self.costs.step or 1.0))
        normal, rising = noise.normal(drive).double(), drive > 0
        knobs, scale = cells.knobs.double(), cells.step_scale.double()
        (high, high_sd), (low, low_sd) = (
            follow(flow, sign * knobs, count.double(), scale)
            for sign, flow in zip((1, -1), _flows(self), strict=True)
        )
        end = torch.where(rising, high, -low) + torch.where(rising, high_sd, low_sd) * normal
        moved = end.clamp(*self._ends).to(cells.knobs.dtype)
        return cells._replace(knobs=torch.where(count > 0, moved, cells.knobs))

    def collect(self, cells: TabulatedCells, x: Tensor, noise: Noise) -> Tensor:
        del noise  # enters once, at the amplifier
        return x @ cells.knobs.mT

    def weights(self, cells: TabulatedCells) -> Tensor:
        return cells.knobs

    def sense(self, cells: TabulatedCells, u: Tensor, noise: Noise) -> Tensor:
        del cells  # amplifiers are alike
        return u.add(noise.normal(u), alpha=self.read_noise)

    def fire(self, cells: TabulatedCells, u: Tensor, noise: Noise) -> Tensor:
        del cells, noise  # neurons are alike
        return u.relu()

    def bounds(self, cells: TabulatedCells) -> tuple[Tensor, Tensor]:
        low, high = self._ends
        return torch.full_like(cells.knobs, low), torch.full_like(cells.knobs, high)

    def default_plan(self, cells: int = 500) -> MeasurementPlan:
        """Trains of a tenth of a crossing up and down, with two readings at every turn."""
        low, high = self._ends
        part = math.ceil((high - low) / self._step / 10)
        return MeasurementPlan.trains(cells, [0, *[part] * 20, 0, *[-part] * 20, 0])


@lru_cache(64)
def _flows(device: Tabulated) -> tuple[StepFlow, StepFlow]:
    """The steps upwards, and those downwards as if up were down."""
    low, high = device._ends
    mirrored = tuple((-state, -change, sd) for state, change, sd in reversed(device.down))
    return step_flow(device.up, low, high), step_flow(mirrored, -high, -low)


def _check_rows(name: str, rows: Sequence[Row], sign: int) -> None:
    if len(rows) < 2:
        raise ValueError(f"{name} has {len(rows)} rows; wanted at least 2 of (state, mean change, sd)")
    for at, row in enumerate(rows):
        if len(row) != 3 or not all(math.isfinite(value) for value in row):
            raise ValueError(f"{name}, row {at}: is {row}; wanted three finite numbers, state, change and sd")
        if sign * row[1] < 0 or row[2] < 0:
            way = "at least 0" if sign > 0 else "at most 0"
            raise ValueError(f"{name}, row {at}: is {row}; wanted a change of {way} and an sd of at least 0")
        if at and not row[0] > rows[at - 1][0]:
            raise ValueError(f"{name}, row {at}: state {row[0]} is not above {rows[at - 1][0]} before it")


def _rows(columns: Mapping[str, Sequence[Any]], scale: Scale) -> list[tuple[str, Row]]:
    """The direction of each row, and the row in full scales."""
    wanted = "wanted columns state, change, direction, and sd where it is known"
    for name in ("state", "change", "direction"):
        if name not in columns:
            raise ValueError(f"Tabulated: column {name} is missing; {wanted}; there are {', '.join(columns)}")
    table = {**columns, "sd": columns.get("sd", [0.0] * len(columns["state"]))}
    if len({len(table[name]) for name in ("state", "change", "sd", "direction")}) > 1:
        raise ValueError(f"Tabulated: columns are of different lengths; {wanted}")
    found: list[tuple[str, Row]] = []
    for at, way in enumerate(map(str, table["direction"])):
        if way not in ("up", "down"):
            raise ValueError(f"Tabulated: column direction, row {at}: is {way!r}; wanted up or down")
        try:
            state, change, sd = (float(table[name][at]) for name in ("state", "change", "sd"))
        except (TypeError, ValueError):
            raise ValueError(f"Tabulated: row {at}: state, change or sd is not a number") from None
        found.append((way, (scale.in_full_scales(state), change / scale.full_scale, sd / scale.full_scale)))
    return found
