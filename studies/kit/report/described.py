"""A manifest in words: its arguments, which of them are not the defaults, and what made the rows."""

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from ..run.manifest import to_json
from ..run.references import BadReference, default_of, resolve
from ..run.study import Row, Study

_PLACE: Final = re.compile(r"(?<![\w:.])~?(?:/[^\s/'\",]+)+/(?=[^\s/'\",])")


def argument_rows(study: Study, manifest: Row) -> list[Row]:
    """The arguments of a run, each with its value and with the default where that is another.

    Args:
        study: whose `Args` they are.
        manifest: of the run.
    """
    made_by, lines = manifest["made_by"], []
    for field in dataclasses.fields(study.Args):
        if field.name not in made_by:  # it came later
            continue
        value = made_by[field.name]
        default = json.loads(json.dumps(to_json(default_of(field))))
        line: Row = {"argument": f"--{field.name.replace('_', '-')}", "value": words(value)}
        lines.append({**line, "default": "" if value == default else words(default) or "none"})
    return lines


def words(value: Any) -> str:
    """A value of a manifest in words: a part by its class and by what is not its default."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(words, value))
    if isinstance(value, dict) and value.get("class") == "functools:partial":  # as a command line names it
        named = [f"{k}={words(v)}" for k, v in value.items() if k not in ("class", "function", "arguments")]
        return f"{words(value['function'])}({', '.join([*map(words, value['arguments']), *named])})"
    if isinstance(value, dict) and "class" in value:
        default = defaults(str(value["class"]))
        own = [f"{k}={words(v)}" for k, v in value.items() if k != "class" and default.get(k, ...) != v]
        name = str(value["class"]).rpartition(":")[2]
        return name + (f"({', '.join(own)})" if own else "")
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(part)}" for key, part in value.items())
    return without_place(str(value))


def defaults(place: str) -> Row:
    """What a class holds when it is made without arguments; nothing if it cannot be."""
    try:
        made = json.loads(json.dumps(to_json(resolve(place))))
    except (BadReference, ValueError):
        return {}
    return made if isinstance(made, dict) else {}


def without_place(line: str) -> str:
    """Words in which files and folders of some machine are called by their last name only."""
    return _PLACE.sub("…/", line)


def origin(manifest: Row) -> str:
    """What the caption of a figure says of a run: devices, data, seed and commit."""
    made_by = manifest["made_by"]
    known = {key: words(made_by[key]) for key in ("device", "devices", "data", "seed") if key in made_by}
    parts = [f"{key}: {value}" for key, value in known.items() if value]
    return "; ".join([*parts, *(f"commit {name}" for name in commits(manifest))])


def commits(manifest: Row) -> list[str]:
    """The commits that the code is from, short, and whether it was changed since."""
    states = manifest.get("git", {}).values()
    return sorted({str(s["commit"])[:8] + (", changed" if s["dirty"] else "") for s in states})


def devices_of(manifest: Row, rows: list[Row]) -> list[str]:
    """The devices that rows are of, as references; where rows name none, the classes of the arguments."""
    named = dict.fromkeys(str(row["device"]) for row in rows if ":" in str(row.get("device")))
    made_by = manifest["made_by"]
    parts = [made_by.get("device"), *(made_by.get("devices") or ())]
    return [*named] or [str(part["class"]) for part in parts if isinstance(part, dict) and "class" in part]


def provenance_rows(manifest: Row) -> Iterator[Row]:
    """What made the rows besides arguments: code, versions, seeds, data and the kind of machine."""
    made_by = manifest["made_by"]
    about = {"study": made_by["study"], "commit": "; ".join(commits(manifest)) or "not in a repository"}
    about |= {"code": made_by.get("code_digest"), "seed": manifest["seeds"].get("seed")}
    about |= {key: made_by[key] for key in sorted(made_by) if key.endswith("_md5") or key == "data_sizes"}
    about |= {"machine": made_by.get("cpu"), "torch threads": made_by.get("threads")}
    about |= manifest.get("versions", {}) | {"torch": made_by.get("torch")}
    yield from ({"of": key, "value": words(value)} for key, value in about.items())
