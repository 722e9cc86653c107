"""Rows of trials as text, a line each; every trial ends in a line that carries their number and checksum.

So a trial that was cut short, damaged or altered is told from a whole one, wherever the damage lies.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from .study import Row

FORMAT: Final = 2  # of results folders; a manifest states it
_END: Final = "end_of"  # the key by which a trial's last line is known


class ResultsError(RuntimeError):
    """A results folder, or an archive of one, that cannot be gone on with."""


def trial_text(name: str, rows: Sequence[Row]) -> str:
    """The lines of a trial: its rows, each with its name under "trial", and a last line that counts them.

    Raises:
        ValueError: there are no rows, or one that is no dictionary, is no JSON or has a key "trial".
    """
    for number, row in enumerate(rows):
        _require_json(f"trial {name!r}, row {number}", row)
    if not rows or any("trial" in row for row in rows):
        raise ValueError(f"trial {name!r}: a trial yields at least one row, and no row has a key 'trial'")
    lines = "".join(json.dumps({"trial": name, **row}) + "\n" for row in rows)
    end = {_END: name, "rows": len(rows), "checksum": _checksum(name, lines.encode())}
    return lines + json.dumps(end) + "\n"


def whole_trials(content: bytes, path: Path) -> dict[str, str]:
    """The lines of every trial that is whole, by its name and in the order of the file.

    What a kill, a full disk or damage left of other trials is passed over.

    Args:
        content: of a file of rows.
        path: of that file, for messages.

    Raises:
        ResultsError: a line says something, but is no row of a study.
    """
    whole: dict[str, str] = {}
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # cut, overwritten, or full of zeros
            continue
        if not isinstance(record, dict) or not {"trial", _END} & {*record}:
            raise ResultsError(f"{path}: line {number + 1} is no row of a study; give another --out")
        if _END not in record or "trial" in record:
            continue
        count = record.get("rows")
        rows = b"".join(lines[max(0, number - count) : number]) if isinstance(count, int) else b""
        if record.get("checksum") == _checksum(record[_END], rows) and line.endswith(b"\n"):
            whole[str(record[_END])] = (rows + line).decode()
    return whole


def rows_of(text: str) -> list[Row]:
    """The rows of one trial or several, of which all are whole."""
    return [row for line in text.splitlines() if _END not in (row := json.loads(line)) or "trial" in row]


def _checksum(name: object, lines: bytes) -> str:
    return blake2b(f"{name}\n".encode() + lines, digest_size=8).hexdigest()


def _require_json(where: str, row: object) -> None:
    """Refuse a row that cannot be kept, by the key that is at fault."""
    if not isinstance(row, dict):
        raise ValueError(f"{where}: is a {type(row).__name__}, wanted a dictionary; does run yield its rows?")
    for key, value in row.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError, RecursionError):
            kind = type(value).__name__
            raise ValueError(
                f"{where}: {key!r} is a {kind}, which no file holds; make it numbers or words"
            ) from None
