"""Pieces of a page: whatever comes from rows and arguments is escaped here, and nowhere else."""

import base64
import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from ..run.study import Row
from .cells import number_of, shown

LARGEST_DRAWING: Final = 400_000  # bytes of an SVG that a page holds; beyond, it holds the PNG
_KINDS: Final = {".svg": "image/svg+xml", ".png": "image/png"}
_LINK: Final = re.compile(r"https?://[^\s<>\"')]+[^\s<>\"').,;:]")


def text(value: Any) -> str:
    """Words as a page shows them, escaped."""
    return escape(shown(value), quote=True)


def linked(words: str) -> str:
    """Words, escaped, in which addresses are links."""
    pieces, end = [], 0
    for match in _LINK.finditer(words):
        address = escape(match[0], quote=True)
        pieces += [text(words[end : match.start()]), f'<a href="{address}" rel="noreferrer">{address}</a>']
        end = match.end()
    return "".join([*pieces, text(words[end:])])


def section(name: str, title: str, parts: Iterable[str]) -> str:
    """A section with a name to link to; nothing if it has no parts."""
    body = "\n".join(part for part in parts if part)
    return f'<section id="{text(name)}">\n<h2>{text(title)}</h2>\n{body}\n</section>' if body else ""


def table(name: str, rows: Sequence[Row], marked: Sequence[bool] = ()) -> str:
    """A table that sorts by a click on a column's head, in a box that scrolls; all keys are columns.

    Args:
        name: its id.
        rows: the lines.
        marked: whether each line is marked as changed.
    """
    keys = [*dict.fromkeys(key for row in rows for key in row)]
    if not keys:
        return ""
    heads = "".join(
        f'<th scope="col" aria-sort="none"><button type="button">{text(key)}</button></th>' for key in keys
    )
    lines = []
    for number, row in enumerate(rows):
        kind = ' class="changed"' if number < len(marked) and marked[number] else ""
        lines.append(f"<tr{kind}>{''.join(_cell(row.get(key, '')) for key in keys)}</tr>")
    body = "\n".join(lines)
    return (
        f'<div class="table-box"><table class="sortable" id="{text(name)}">\n'
        f"<thead><tr>{heads}</tr></thead>\n"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _cell(cell: Any) -> str:
    number = number_of(cell)
    value = "" if number is None else f' class="number" data-value="{number.value!r}"'
    return f"<td{value}>{text(cell)}</td>"


def picture(name: str, drawn: Sequence[Path]) -> str:
    """A figure, held by the page itself, as its drawing unless that is large.

    Args:
        name: of the figure.
        drawn: its files.
    """
    by_kind = {path.suffix: path for path in drawn if path.suffix in _KINDS}
    small = [path for path in by_kind.values() if path.stat().st_size <= LARGEST_DRAWING]
    best = next((p for p in sorted(small, reverse=True)), by_kind.get(".png"))  # svg comes after png
    if best is None:
        return ""
    content = base64.b64encode(best.read_bytes()).decode()
    files = ", ".join(path.name for path in sorted(by_kind.values()))
    return (
        f'<figure id="figure-{text(name)}"><img alt="{text(f"figure {name}")}" '
        f'src="data:{_KINDS[best.suffix]};base64,{content}">'
        f'<figcaption class="soft">{text(files)}</figcaption></figure>'
    )
