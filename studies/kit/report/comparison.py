"""Two runs of one study side by side: what was asked differently, and how far the closing tables differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..run.study import Row
from .cells import number_of
from .described import words

_SAME = "same"


def differing_arguments(one: Row, other: Row) -> list[Row]:
    """What made two runs differently: arguments, data, code and machine.

    Args:
        one, other: their manifests.
    """
    (first, second), lines = (one["made_by"], other["made_by"]), []
    for key in dict.fromkeys((*first, *second)):
        if first.get(key) != second.get(key) and key != "code_digest":
            lines.append({"of": key, "first": words(first.get(key)), "second": words(second.get(key))})
    mine, theirs = one.get("modules", {}), other.get("modules", {})
    if edited := [name for name in sorted({*mine, *theirs}) if mine.get(name) != theirs.get(name)]:
        lines.append({"of": "code", "first": "", "second": f"other: {', '.join(edited)}"})
    return lines


def differing_trials(one: Row, other: Row) -> str:
    """Which trials are planned by only one of two runs, in words; nothing if both plan the same."""
    mine, theirs = one["seeds"]["trials"], other["seeds"]["trials"]
    only = [[n for n in a if n not in {*b}] for a, b in ((mine, theirs), (theirs, mine))]
    parts = [
        f"{len(names)} trials of the {which} alone ({', '.join(names[:3])}{', ...' if names[3:] else ''})"
        for which, names in zip(("first", "second"), only, strict=True)
        if names
    ]
    return f"different trials: {'; '.join(parts)}" if parts else ""


def compared_tables(one: Sequence[Row], other: Sequence[Row]) -> list[Row]:
    """Two closing tables side by side: for each line and quantity both values, and second less first.

    The interval of a difference is that of unpaired means. Lines are matched by the first columns whose
    values the tables share, as many as tell all lines of each apart; if need be by further ones.

    Args:
        one, other: closing tables of the same study.
    """
    keys = _key_columns(one, other)
    mine, theirs = ({tuple(str(row.get(k, "")) for k in keys): row for row in rows} for rows in (one, other))
    columns = [c for c in dict.fromkeys(k for row in (*one, *other) for k in row) if c not in keys]
    lines = []
    for key in dict.fromkeys((*mine, *theirs)):
        first, second = mine.get(key), theirs.get(key)
        about = dict(zip(keys, key, strict=True))
        if first is None or second is None:
            lines.append({**about, "quantity": f"in the {'second' if first is None else 'first'} alone"})
        else:
            lines += [{**about, **line} for column in columns if (line := _line(column, first, second))]
    return lines


def agreement(lines: Sequence[Row]) -> str:
    """How many of the differences of means have an interval that contains 0, in words; nothing if none has.

    Args:
        lines: of `compared_tables`.
    """
    found = [number for line in lines if (number := number_of(line.get("difference", "")))]
    gaps = [(abs(n.value), n.half_width) for n in found if n.half_width is not None]
    near = sum(gap <= width for gap, width in gaps)
    return f"{near} of {len(gaps)} differences of means have an interval that contains 0" if gaps else ""


def _line(column: str, first: Row, second: Row) -> Row | None:
    before, after = str(first.get(column, "")), str(second.get(column, ""))
    if not before and not after:
        return None
    return {"quantity": column, "first": before, "second": after, "difference": _difference(before, after)}


def _difference(before: str, after: str) -> str:
    """The second value less the first, with an interval if both have one; in words of words."""
    if before == after:
        return _SAME
    first, second = number_of(before), number_of(after)
    if first is None or second is None:
        return "other"
    difference = f"{second.value - first.value:+.4g}"
    if first.half_width is None or second.half_width is None:
        return difference
    return f"{difference} +- {(first.half_width**2 + second.half_width**2) ** 0.5:.2g}"


def _key_columns(one: Sequence[Row], other: Sequence[Row]) -> list[str]:
    """The columns that say what a line is of: those whose values both tables share, left to right."""
    columns = [*dict.fromkeys(key for row in (*one, *other) for key in row)]
    shared = [c for c in columns if _overlap(_values(one, c), _values(other, c)) >= 0.5]
    in_words = [c for c in columns if any(_is_words(row.get(c, "")) for row in (*one, *other))]
    keys: list[str] = []
    for column in dict.fromkeys((*shared, *in_words, *columns)):
        if keys and all(_tells_apart(keys, table) for table in (one, other)):
            break
        keys.append(column)
    return [c for c in columns if c in keys]


def _values(rows: Sequence[Row], column: str) -> set[str]:
    return {str(row.get(column, "")) for row in rows}


def _overlap(one: set[str], other: set[str]) -> float:
    return len(one & other) / max(1, len(one | other))


def _is_words(cell: Any) -> bool:
    return str(cell) != "" and number_of(cell) is None


def _tells_apart(keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bool:
    return len({tuple(str(row.get(key, "")) for key in keys) for row in rows}) == len(rows)
