"""Tables of measurements from CSV files or columns, and what is wrong with them.

A file has one row for each reading, in the order in which a cell's were taken, with the columns
`cell`     any name; cells come in the order in which they lie on their wire;
`pulses`   how many equal pulses were sent before this reading, negative downwards, 0 for another reading;
           or instead `target`, the knob to which the cell was last written, full scale, from -1 to 1;
`seconds`  with `target`: since the last write (where it does not grow, the cell was written again); with
           `pulses`: on the clock, never going back, and may be left out;
`input`    what the cell's wire carried during the reading, 1 if left out;
`reading`  the summing node behind its amplifier, full scale; or instead `activity`, behind the neuron; or
           instead `conductance` (S) or `current` (A), with another unit in brackets, as `conductance [uS]`,
           and a `Scale` that says which is knob 0 and which difference is full scale.
Cells begin blank (knob 0), as `program` has them. All go through the same number of rows at the same times
and inputs; pulses and targets may differ from cell to cell.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from ..measurement import MeasurementPlan, MeasurementTable, Scale
from .columns import BadTable, in_full_scales, parse_number

FEWEST = 20  # cells for each history: below it, no variance between cells is worth its name
FORMAT = (
    "columns are cell, pulses (or target), seconds, input, and reading (or activity, conductance, current); "
    "help(analog.calibrate.parsing) describes them"
)
CURVE = "one digitised curve of a cell goes to analog.devices.tabulate_curve"


def read_table(path: Path | str, *, scale: Scale | None = None, fewest: int = FEWEST) -> MeasurementTable:
    """A table from a CSV file.

    Args:
        path: of the file.
        scale: of conductances or currents, where the file has them.
        fewest: cells for each history. Calibration wants no fewer than by default; `tabulate_steps` of
            `analog.devices` takes a single one.

    Raises:
        BadTable: it is not what the head of this module describes; the message names column and row.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file)
            names, rows = [n.strip() for n in lines.fieldnames or ()], list(lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadTable(f"{path}: cannot be read as CSV: {error}") from None
    if len(set(names)) < len(names):
        raise BadTable(f"{path}: a column comes twice; there are {', '.join(names)}")
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise BadTable(f"{path}, row {number}: wanted {len(names)} values, one for each column")
    columns = {n: [row[k] for row in rows] for n, k in zip(names, rows[0] if rows else (), strict=False)}
    return table_from_columns(
        columns or {n: [] for n in names}, str(path), first=2, scale=scale, fewest=fewest
    )


def table_from_columns(
    columns: Mapping[str, Sequence[object]],
    where: str = "table",
    *,
    first: int = 0,
    scale: Scale | None = None,
    fewest: int = FEWEST,
) -> MeasurementTable:
    """A table from columns of equal length.

    Args:
        columns: by the names that the head of this module lists.
        where: what errors call the table.
        first: the number by which errors call the first row.
        scale: of conductances or currents, where there are such.
        fewest: cells for each history.

    Raises:
        BadTable: they are not what the head of this module describes; the message names column and row.
    """
    if "cell" not in columns:
        present = ", ".join(columns) or "no columns"
        raise BadTable(f"{where}: column cell is missing; there are {present}; {FORMAT}; {CURVE}")
    columns = in_full_scales(columns, where, first, scale)
    kind, shown = _kinds(columns, where)
    count = len(columns["cell"])
    if any(len(c) != count for c in columns.values()):
        raise BadTable(f"{where}: columns are of different lengths")

    def column(name: str, fallback: float, fits: Callable[[float], bool], wanted: str) -> list[float]:
        values = columns.get(name)
        if values is None:
            return [fallback] * count
        return [
            parse_number(v, f"{where}, column {name}, row {i}", fits, wanted)
            for i, v in enumerate(values, first)
        ]

    if kind == "pulses":
        actions = column("pulses", 0, float.is_integer, "a whole number of pulses, negative downwards")
    else:
        actions = column("target", 0, lambda v: -1 <= v <= 1, "a target from -1 to 1, in full scales")
    seconds = column(
        "seconds", 0, lambda v: v >= 0, "seconds of at least 0; nothing is read before it is done"
    )
    inputs = column("input", 1, lambda v: True, "a number")
    readings = column(shown, 0, lambda v: True, "a number, in full scales")

    cells = _rows_of_cells(columns["cell"], where, first)
    histories = list(cells.values())
    _same_schedule(cells, seconds, inputs, where, first)
    plan = MeasurementPlan(
        kind,
        _stack(actions, histories),
        tuple(seconds[i] for i in histories[0]),
        tuple(inputs[i] for i in histories[0]),
        shown,
    )
    _consistent(plan, list(cells), histories, where, first, fewest)
    return MeasurementTable(plan, _stack(readings, histories))


def _rows_of_cells(names: Sequence[object], where: str, first: int) -> dict[object, list[int]]:
    """The rows of each cell, in the order in which cells come."""
    cells: dict[object, list[int]] = {}
    for i, name in enumerate(names):
        if name is None or not str(name).strip():
            raise BadTable(f"{where}, column cell, row {i + first}: is empty; wanted the cell's name")
        cells.setdefault(str(name).strip(), []).append(i)
    return cells


def _stack(column: list[float], histories: list[list[int]]) -> torch.Tensor:  # (cells, rows), float64
    return torch.tensor([[column[i] for i in rows] for rows in histories], dtype=torch.float64)


def write_table(table: MeasurementTable, path: Path | str, digits: int = 6) -> None:
    """Write a table as a CSV file that `read_table` takes, with so many significant digits."""
    plan = table.plan
    with Path(path).open("w", newline="") as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(("cell", plan.kind, "seconds", "input", plan.shown))
        for cell, (actions, readings) in enumerate(
            zip(plan.actions.tolist(), table.readings.tolist(), strict=True)
        ):
            for row in zip(actions, plan.seconds, plan.inputs, readings, strict=True):
                lines.writerow((cell, *(f"{v:.{digits}g}" for v in row)))


def _kinds(
    columns: Mapping[str, Sequence[object]], where: str
) -> tuple[Literal["pulses", "target"], Literal["reading", "activity"]]:
    present = ", ".join(columns) or "no columns"
    for one, other in (("pulses", "target"), ("reading", "activity")):
        if (one in columns) == (other in columns):
            raise BadTable(
                f"{where}: wanted column {one} or else column {other}; there are {present}; {FORMAT}"
            )
    unknown = [c for c in columns if c not in _KNOWN]
    if unknown:
        raise BadTable(f"{where}: column {unknown[0]} is unknown; wanted some of {', '.join(_KNOWN)}")
    if "target" in columns and "seconds" not in columns:
        raise BadTable(f"{where}: column seconds (since the last write) is missing; there are {present}")
    return ("pulses" if "pulses" in columns else "target"), (
        "reading" if "reading" in columns else "activity"
    )


_KNOWN = ("cell", "pulses", "target", "seconds", "input", "reading", "activity")


def _same_schedule(
    cells: Mapping[object, list[int]], seconds: list[float], inputs: list[float], where: str, first: int
) -> None:
    if not cells:
        raise BadTable(f"{where}: has no rows; wanted at least {FEWEST} cells")
    name, model = next(iter(cells.items()))
    for cell, rows in cells.items():
        if len(rows) != len(model):
            raise BadTable(
                f"{where}: cell {cell} has {len(rows)} rows, cell {name} has {len(model)}; wanted as many"
            )
        for what, column in (("seconds", seconds), ("input", inputs)):
            for i, j in zip(rows, model, strict=True):
                if column[i] != column[j]:
                    raise BadTable(
                        f"{where}, column {what}, row {i + first}: is {column[i]:g} for cell {cell}, "
                        f"{column[j]:g} for cell {name} (row {j + first}); wanted the same for all cells"
                    )


def _consistent(
    plan: MeasurementPlan,
    names: list[object],
    rows: list[list[int]],
    where: str,
    first: int,
    fewest: int,
) -> None:
    for k in range(1, len(plan.seconds)):
        row = rows[0][k] + first
        if plan.kind == "pulses" and plan.seconds[k] < plan.seconds[k - 1]:
            raise BadTable(
                f"{where}, column seconds, row {row}: the clock goes back from {plan.seconds[k - 1]:g} to "
                f"{plan.seconds[k]:g}"
            )
        if plan.kind == "target" and not plan.written[k]:
            changed = (plan.actions[:, k] != plan.actions[:, k - 1]).nonzero()
            if len(changed):
                cell = int(changed[0])
                raise BadTable(
                    f"{where}, column target, row {rows[cell][k] + first}: changes while seconds go on for "
                    f"cell {names[cell]}; a row after a write starts its seconds anew"
                )
    different, which = plan.histories
    count = which.bincount(minlength=len(different))
    if int(count.min()) < fewest:
        cell = int((which == int(count.argmin())).nonzero()[0])
        raise BadTable(
            f"{where}: {int(count.min())} cells have the history of cell {names[cell]} (row "
            f"{rows[cell][0] + first}); too few rows, wanted at least {fewest} cells for each history; "
            "of fewer, read_table(..., fewest=1) and analog.devices.tabulate_steps make a device by means"
        )
