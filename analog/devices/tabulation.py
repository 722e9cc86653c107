"""Tables of steps from measured histories of pulses, or from one digitised curve.

Between two readings a cell got n equal pulses and changed by D. Samples are sorted into bins of the state
half way, where the noise of readings leaves no slope; a bin's mean change of one pulse is sum D / sum n,
and belongs to the state half a pulse before. A cell's own factor is the regression of its changes on those of
the table; what is left of each change, less the noise of its two readings, is the spread of n pulses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from ..measurement import MeasurementPlan, MeasurementTable, Scale
from .step_flow import Row
from .tabulated import Tabulated

FEWEST = 3  # changes in a bin
LARGEST = 0.1  # of the range, that a train may cross between two readings
CELLS_UNKNOWN = "one cell was measured: how cells differ is unknown, and step_dtod is 0"
SPREAD_UNKNOWN = "one curve was given: the spread of steps and of readings is unknown, and taken as 0"
READING_UNKNOWN = "no reading was repeated without a pulse: its noise is counted as spread of steps"
COARSE = "trains cross more than a tenth of the range between readings: read more often"


@dataclass(frozen=True)
class Tabulation:
    """A tabulated device, and what its table could not tell."""

    device: Tabulated
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        d = self.device
        rows = f"{len(d.up)} states up, {len(d.down)} down"
        spreads = f"step_dtod={d.step_dtod:.3g}, read_noise={d.read_noise:.3g}"
        return "\n".join((f"Tabulation: {rows}, {spreads}", *(f"    unknown: {note}" for note in self.notes)))


class _Changes(NamedTuple):
    """Changes between two readings, (samples,) each."""

    cell: Tensor
    sign: Tensor  # of the pulses
    pulses: Tensor  # how many, above 0
    change: Tensor
    middle: Tensor  # the state half way


class _Fit(NamedTuple):
    """Rows of both directions, empty where there are fewer than two, and how steps differ between cells."""

    up: tuple[Row, ...]
    down: tuple[Row, ...]
    step_dtod: float


def tabulate_steps(table: MeasurementTable, *, bins: int = 15, fewest: int = FEWEST) -> Tabulation:
    """Estimate the table of a `Tabulated` device from histories of pulses.

    Args:
        table: of pulses, read at full input; of one cell or of many, with repeated readings (rows of 0
            pulses) if the noise of readings is to be told from that of steps.
        bins: of the state, at most, for each direction.
        fewest: changes in a bin; one with fewer is left out.

    Returns:
        The device, and what the table could not tell of it.

    Raises:
        ValueError: the table has targets, or too few pulses upwards or downwards.
    """
    if table.plan.kind != "pulses" or table.plan.shown != "reading":
        raise ValueError("tabulate_steps: wanted a table of pulses and readings, not of targets or activity")
    changes, variance = _changes(table)
    low, high = float(table.readings.min()), float(table.readings.max())
    if high <= low:
        raise ValueError("tabulate_steps: all readings are the same; wanted pulses that change them")
    fit = _fit(changes, 2 * (variance or 0.0), low, high, bins, fewest)
    for way, rows in (("upwards", fit.up), ("downwards", fit.down)):
        if len(rows) < 2:
            raise ValueError(f"tabulate_steps: too few pulses {way}; wanted them at two or more states")
    coarse = float(changes.change.abs().median()) > LARGEST * (high - low)
    doubts = ((len(table.readings) < 2, CELLS_UNKNOWN), (variance is None, READING_UNKNOWN), (coarse, COARSE))
    device = Tabulated(
        fit.up,
        fit.down,
        w_min=min(low, 0.0),
        w_max=max(high, 0.0),
        step_dtod=min(fit.step_dtod, 1.0),
        read_noise=(variance or 0.0) ** 0.5,
    )
    return Tabulation(device, tuple(note for holds, note in doubts if holds))


def _fit(changes: _Changes, noise: float, low: float, high: float, bins: int, fewest: int) -> _Fit:
    """The tables of both directions over equal bins of the state, and how cells differ."""
    place = ((changes.middle - low) * (bins / (high - low))).long().clamp(max=bins - 1)
    place, both = place + bins * (changes.sign < 0), 2 * bins
    size = _share(place, changes.change, changes.pulses, both)  # mean change of one pulse
    size = torch.where(torch.arange(both) < bins, size.clamp(min=0), size.clamp(max=0))
    predicted = changes.pulses * size[place]
    factors, step_dtod = _cells(changes, predicted)
    left = changes.change - factors[changes.cell] * predicted
    lost = len(left) / max(len(left) - len(factors) - both, 1)  # degrees of freedom
    sd = _share(place, lost * left.square() - noise, changes.pulses, both).clamp(min=0).sqrt()
    state = _share(place, changes.middle, torch.ones_like(changes.middle), both) - size / 2
    enough = place.bincount(minlength=both) >= fewest
    up, down = (
        _rows(state[half], size[half], sd[half], enough[half], low, high)
        for half in (slice(bins), slice(bins, both))
    )
    return _Fit(up, down, step_dtod)


def tabulate_curve(
    up: Sequence[float],
    down: Sequence[float],
    *,
    pulses: int = 1,
    scale: Scale | None = None,
    bins: int = 10,
) -> Tabulation:
    """Estimate the mean steps of a `Tabulated` device from one curve of one cell, as papers print them.

    Args:
        up: conductances while pulses go upwards, S or in any unit, one after every `pulses` pulses.
        down: the same while they go downwards.
        pulses: from one point of the curve to the next.
        scale: of the conductances; by default the curve goes from -1 to 1 full scale.
        bins: of the state, at most, for each direction.

    Returns:
        The device, whose spreads are unknown and 0, and a note that says so.

    Raises:
        ValueError: a curve is too short or does not change.
    """
    if min(len(up), len(down)) <= 2 * FEWEST or len({*up, *down}) < 2 or pulses < 1:
        raise ValueError(f"tabulate_curve: wanted above {2 * FEWEST} points up and down, and pulses above 0")
    scale = scale or Scale.of_range([*up, *down])
    states = [scale.in_full_scales(float(value)) for value in (*up, *down)]
    sent = [0.0, *[float(pulses)] * (len(up) - 1), 0.0, *[-float(pulses)] * (len(down) - 1)]
    actions, readings = (torch.tensor([column], dtype=torch.float64) for column in (sent, states))
    plan = MeasurementPlan("pulses", actions, (0.0,) * len(sent), (1.0,) * len(sent))
    found = tabulate_steps(MeasurementTable(plan, readings), bins=bins, fewest=1)
    up_rows, down_rows = (tuple((w, d, 0.0) for w, d, _ in r) for r in (found.device.up, found.device.down))
    notes = (SPREAD_UNKNOWN, *(note for note in found.notes if note == COARSE))
    return Tabulation(replace(found.device, up=up_rows, down=down_rows, read_noise=0.0), notes)


def _changes(table: MeasurementTable) -> tuple[_Changes, float | None]:
    """The changes between readings at full input, and the variance of a reading; None: not measured."""
    wide_open = torch.tensor([value == 1 for value in table.plan.inputs])
    sent, readings = table.plan.actions.cumsum(1)[:, wide_open], table.readings[:, wide_open]
    change, count = readings.diff(dim=1), sent.diff(dim=1)
    cell = torch.arange(len(readings)).unsqueeze(1).expand_as(change)
    middle = readings[:, 1:] - change / 2
    moved = count != 0
    still = change[~moved]
    variance = float(still.square().mean() / 2) if len(still) >= 2 * FEWEST else None
    kept = _Changes(cell[moved], count[moved].sign(), count[moved].abs(), change[moved], middle[moved])
    return kept, variance


def _share(place: Tensor, values: Tensor, weights: Tensor, bins: int) -> Tensor:  # (bins,)
    """The sum of values over that of weights, in each bin; 0 where there are none."""
    total, weight = (place.bincount(column, minlength=bins) for column in (values, weights))
    return torch.where(weight > 0, total / weight.clamp(min=1e-300), 0)


def _cells(changes: _Changes, predicted: Tensor) -> tuple[Tensor, float]:
    """The factor of each cell's steps, about 1, and its sd between cells beyond that of chance."""
    cells = int(changes.cell.max()) + 1
    square = changes.cell.bincount(predicted.square(), minlength=cells).clamp(min=1e-300)
    factors = changes.cell.bincount(predicted * changes.change, minlength=cells) / square
    if cells < 2:
        return torch.ones(1, dtype=torch.float64), 0.0
    left = (changes.change - factors[changes.cell] * predicted) * predicted
    chance = changes.cell.bincount(left.square(), minlength=cells) / square**2
    factors = factors / factors.mean()
    return factors, float((factors.var() - chance.mean()).clamp(min=0).sqrt())


def _rows(
    state: Tensor, size: Tensor, sd: Tensor, enough: Tensor, low: float, high: float
) -> tuple[Row, ...]:
    """The rows of one direction, with the lines through the outermost two carried on to the bounds."""
    columns = [column[enough] for column in (state, size, sd)]
    order = columns[0].argsort()
    rows = [tuple(float(c[at]) for c in columns) for at in order.tolist()]
    if len(rows) < 2:
        return ()
    ends = (_beyond(rows[1], rows[0], low), _beyond(rows[-2], rows[-1], high))
    inner = [row for row in rows if low < row[0] < high]
    return tuple((float(w), float(d), float(s)) for w, d, s in (ends[0], *inner, ends[1]))


def _beyond(inner: Sequence[float], outer: Sequence[float], state: float) -> Row:
    """The row at a bound, on the line through the two nearest, of the sign of theirs."""
    share = (state - outer[0]) / (outer[0] - inner[0])
    change = outer[1] + share * (outer[1] - inner[1])
    change = max(change, 0.0) if outer[1] > 0 else min(change, 0.0)
    return state, change, max(outer[2] + share * (outer[2] - inner[2]), 0.0)
