"""How far trials and chips lie apart: of every number in the rows its mean, interval, deviation and range."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median, stdev
from types import MappingProxyType
from typing import Any, Final

from ..metrics.mean_interval import mean_interval
from ..run.study import Row
from .cells import ALL_EQUAL

WHO: Final = frozenset({"trial", "chip", "chips", "seed", "identity", "teacher", "student", "heir", "who"})
ALONG: Final = frozenset({"done", "step", "steps", "epoch", "round"})  # of these the last counts
LINES: Final = 400  # of the table, at most
_DIGITS: Final = 4
NO_SETTINGS: Final[Mapping[str, Any]] = MappingProxyType({})


def spread_table(rows: Sequence[Row], settings: Mapping[str, Any] = NO_SETTINGS) -> list[Row]:
    """The spread of every number over the trials and chips that had the same settings.

    What a row is of is told by its words, and by the numbers that are settings; of rows of one chip that
    differ in nothing else the last counts. A list in a row holds a number for each chip.

    Args:
        rows: of a study.
        settings: its arguments by name; a number is a setting where these are a list of several.

    Returns:
        A line for each number of each case that at least two chips have.
    """
    cases: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for row in rows:
        cases.setdefault(tuple(_case(row, settings)), []).append(row)
    lines: list[Row] = []
    for case, of_case in cases.items():
        for extra, alike in _one_each(of_case):
            lines += _lines({**dict(case), **extra}, alike)
    return lines[:LINES]


def _case(row: Row, settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        takes_several = any(isinstance(settings.get(name), list) for name in (key, f"{key}s"))
        is_setting = isinstance(value, int | float) and takes_several
        if key not in WHO | ALONG and (isinstance(value, str | bool) or is_setting):
            yield key, value


def _one_each(rows: Sequence[Row]) -> Iterator[tuple[Row, list[Row]]]:
    """Rows of which each chip has one: apart by the first number that tells a chip's own rows apart."""
    own: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        own.setdefault(tuple(str(row.get(key)) for key in sorted(WHO)), []).append(row)
    several = [of_chip for of_chip in own.values() if len(of_chip) > 1]
    varying = [k for k in rows[0] if several and _varies(several[0], k)]
    if varying and varying[0] not in ALONG:
        for value in dict.fromkeys(row.get(varying[0]) for row in rows):
            alike = [row for row in rows if row.get(varying[0]) == value]
            yield {varying[0]: value}, alike
    else:
        yield {}, [of_chip[-1] for of_chip in own.values()]


def _varies(rows: Sequence[Row], key: str) -> bool:
    values = [row.get(key) for row in rows]
    return all(isinstance(v, int | float) for v in values) and len({*values}) > 1


def _lines(case: Row, rows: Sequence[Row]) -> Iterator[Row]:
    for key in dict.fromkeys(key for row in rows for key in row):
        if key in WHO | ALONG or key in case:
            continue
        values = [value for row in rows for value in _numbers(row.get(key))]
        if len(values) > 1:
            mean, half_width = mean_interval(values)
            numbers = {"mean": mean, "95 % interval, +-": half_width, "sd": stdev(values)}
            numbers |= {"median": median(values), "lowest": min(values), "highest": max(values)}
            short = {name: f"{value:.{_DIGITS}g}" for name, value in numbers.items()}
            if numbers["lowest"] == numbers["highest"]:
                short["95 % interval, +-"] = ALL_EQUAL
            yield {**case, "number": key, "n": len(values), **short}


def _numbers(value: Any) -> list[float]:
    if isinstance(value, list):
        return [float(v) for v in value if isinstance(v, int | float)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


def mean_numbers(
    rows: Sequence[Row], keys: Sequence[str], settings: Mapping[str, Any] = NO_SETTINGS
) -> list[Row]:
    """The means of some numbers, one line for each case that has any of them.

    Args:
        rows: of a study.
        keys: of the numbers.
        settings: its arguments by name; a number is a setting where these are a list of several.
    """
    cases: dict[tuple[tuple[str, Any], ...], list[Row]] = {}
    for row in rows:
        if {*keys} & {*row}:
            cases.setdefault(tuple(_case(row, settings)), []).append(row)
    lines = []
    for case, of_case in cases.items():
        (_, alike), *_ = _one_each(of_case)
        known = {key: [v for row in alike for v in _numbers(row.get(key))] for key in keys}
        means = {key: f"{fmean(values):.3g}" for key, values in known.items() if values}
        lines.append({**dict(case), "n": len(alike), **means})
    return lines
