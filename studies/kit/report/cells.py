"""Numbers in the cells of closing tables: what they say, and how they are shown."""

import re
from typing import Any, Final, NamedTuple

_NUMBER: Final = r"[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?"
ALL_EQUAL: Final = "(all equal)"  # stands in for an interval where there is none to estimate
_CELL: Final = re.compile(rf"({_NUMBER})(?:\s*(?:\+-|±)\s*<?({_NUMBER})|\s*{re.escape(ALL_EQUAL)})?\s*%?")


class CellNumber(NamedTuple):
    """A number in a cell, and half the width of its interval where it has one."""

    value: float
    half_width: float | None = None


def number_of(cell: Any) -> CellNumber | None:
    """The number that a cell is, such as 3, "1,200,000", "96.1 +- 0.3" or "96.1 (all equal)"; else None."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return CellNumber(float(cell))
    found = _CELL.fullmatch(str(cell).strip())
    if found is None:
        return None
    value, half_width = (None if part is None else float(part.replace(",", "")) for part in found.groups())
    return None if value is None else CellNumber(value, half_width)


def shown(cell: Any) -> str:
    """A cell as a page shows it."""
    return str(cell).replace(" +- ", " ± ")
