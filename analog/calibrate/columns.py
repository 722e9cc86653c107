"""Columns of tables: numbers from their words, and conductances or currents in full scales."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

from ..measurement import Scale

PHYSICAL = re.compile(r"(conductance|current)(?: *[\[(] *([fpnuµm]?)([SA]) *[\])])?")
PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15}
FARTHEST = 1e4  # full scales; a table that spans more, or less than 1 / FARTHEST, has a scale in another unit
UNITS = {"conductance": "S", "current": "A"}


class BadTable(ValueError):
    """A table that cannot be used; says which column and row, and what was wanted."""


def parse_number(value: object, where: str, fits: Callable[[float], bool], wanted: str) -> float:
    """A finite number from a file's or a column's value.

    Args:
        value: as it stands there.
        where: what an error calls the place.
        fits: whether a number may stand there.
        wanted: what may, in words.

    Raises:
        BadTable: it is none, or does not fit.
    """
    try:
        number = float(str(value))
    except ValueError:
        raise BadTable(f"{where}: {value!r} is not a number; wanted {wanted}") from None
    if not math.isfinite(number) or not fits(number):
        raise BadTable(f"{where}: is {value}; wanted {wanted}")
    return number


def in_full_scales(
    columns: Mapping[str, Sequence[object]], where: str, first: int, scale: Scale | None
) -> Mapping[str, Sequence[object]]:
    """The columns with readings in full scales, where there were conductances or currents.

    Args:
        columns: by name.
        where: what errors call the table.
        first: the number by which errors call the first row.
        scale: of conductances or currents.

    Raises:
        BadTable: there are two of them, of another unit or without a scale, or a scale without any,
            or one that is off by orders of magnitude.
    """
    physical = {name: match for name in columns if (match := PHYSICAL.fullmatch(name.strip()))}
    if not physical:
        if scale is not None:
            raise BadTable(f"{where}: scale is of columns conductance or current, and there are none")
        return columns
    if len(physical) > 1 or {"reading", "activity"} & set(columns):
        raise BadTable(f"{where}: wanted one column of {', '.join((*physical, 'reading', 'activity'))}")
    ((name, match),) = physical.items()
    quantity, prefix, unit = match.groups()
    if unit not in (None, UNITS[quantity]):
        raise BadTable(f"{where}, column {name}: is in {unit}; wanted {UNITS[quantity]}")
    spot = f"{where}, column {name}, row"
    factor = PREFIXES[prefix or ""]
    values = [
        factor * parse_number(v, f"{spot} {i}", lambda v: True, "a number")
        for i, v in enumerate(columns[name], first)
    ]
    wanted = (
        f"wanted scale=, the {quantity} of knob 0 (zero) and the difference that is full scale (full_scale), "
        f"both in {UNITS[quantity]}; {_fitting(values)}"
    )
    if scale is None:
        raise BadTable(f"{where}, column {name}: {wanted}")
    readings = [scale.in_full_scales(value) for value in values]
    span = max(readings, default=0.0) - min(readings, default=0.0)
    if span and not 1 / FARTHEST < span < FARTHEST:
        raise BadTable(
            f"{where}, column {name}: spans {span:.2g} full scales on {scale}, as if that were in another "
            f"unit; {wanted}"
        )
    rest = {n: column for n, column in columns.items() if n != name}
    return {**rest, "reading": readings}


def _fitting(values: Sequence[float]) -> str:
    """Which scale would fit, in words."""
    if len({*values}) < 2:
        return "such as Scale(zero=..., full_scale=...)"
    span = Scale.of_range(values)
    return f"on Scale(zero={span.zero:.6g}, full_scale={span.full_scale:.6g}) this table goes from -1 to 1"
