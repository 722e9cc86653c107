"""Tables as HTML, for views of objects in a notebook."""

from collections.abc import Iterable, Sequence
from html import escape


def html_table(caption: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """An HTML table of words and numbers, all of it escaped.

    Args:
        caption: what stands above it.
        header: a word for each column.
        rows: a cell for each column; floats are shown to four digits.
    """
    body = "".join(f"<tr>{''.join(f'<td>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows)
    head = "".join(f"<th>{escape(word)}</th>" for word in header)
    return f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>"


def _cell(cell: object) -> str:
    return escape(f"{cell:.4g}" if isinstance(cell, float) else str(cell))
