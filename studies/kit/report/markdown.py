"""Tables as Markdown."""

from collections.abc import Sequence
from typing import Any

from ..run.study import Row


def markdown_table(rows: Sequence[Row]) -> list[str]:
    """The lines of a table with all keys of the rows as columns; none of no rows."""
    keys = [*dict.fromkeys(key for row in rows for key in row)]
    if not keys:
        return []
    cells = [[_cell(row.get(key, "")) for key in keys] for row in rows]
    return [_line([_cell(key) for key in keys]), _line(["---"] * len(keys)), *map(_line, cells)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("+-", "±").replace("\n", " ")
