"""The devices of a run, setting by setting: what each of them is, in which unit, and which were changed."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from analog.settings import Setting, settings

from ..run.references import import_part
from ..run.study import Row
from .described import defaults, words

_NAMES: Final = ("device", "devices")  # arguments that hold nothing else


def device_tables(made_by: Row) -> dict[str, tuple[list[Row], list[bool]]]:
    """The settings of every device that the arguments of a run name, and of those inside of it.

    Args:
        made_by: of the manifest.

    Returns:
        By the device in words, its module in front: a line for each setting with its value, default, unit and
        meaning, as far as its class can be imported here; and of each, whether it is not the default.
    """
    parts = [part for name, value in made_by.items() for part in _devices(value, name in _NAMES)]
    return {f"{part['class'].rpartition(':')[0]}:{words(part)}": _table(part) for part in parts}


def _devices(value: Any, is_device: bool) -> Iterator[Row]:
    """The devices in what JSON keeps of an argument: parts whose class makes cells, or is not here to ask."""
    if isinstance(value, Mapping):
        kind = _kind(value)
        if hasattr(kind, "fabricate") or (is_device and kind is None and "class" in value):
            yield dict(value)
        value, is_device = [*value.values()], False
    if isinstance(value, list):
        for part in value:
            yield from _devices(part, is_device)


def _table(device: Row) -> tuple[list[Row], list[bool]]:
    kind, default = _kind(device), defaults(str(device["class"]))
    known: Mapping[str, Setting] = settings(kind) if hasattr(kind, "__dataclass_fields__") else {}
    names = [*(name for name in known if name in device), *(n for n in device if n not in {*known, "class"})]
    changed = [name in default and default[name] != device[name] for name in names]
    lines = [
        {
            "setting": name,
            "value": words(device[name]) or "none",
            "default": words(default[name]) or "none" if is_changed else "",
            "unit": known.get(name, Setting()).unit,
            "meaning": known.get(name, Setting()).meaning,
        }
        for name, is_changed in zip(names, changed, strict=True)
    ]
    return lines, changed


def _kind(part: Mapping[str, Any]) -> Any:
    """The class of a part; None if it has none that can be imported here."""
    try:
        return import_part(str(part["class"]))
    except Exception:  # whatever a user's module does when it is imported
        return None
