"""Docstrings of this project as Sphinx wants them: stars are literal, fields come with their comments."""

import inspect
import re
from typing import Any

from .fields import comments_of_fields, settings_of

_LITERAL = re.compile(r"(`[^`]*`)")
_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):$")
_FIELD = re.compile(r"^([a-z_]+(?:, [a-z_]+)*): \S")


def process_docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Rewrite a docstring in place, before its sections are read."""
    del app, options
    if what == "attribute" and lines and lines[0].startswith("Alias for field number"):
        lines[:] = []
        return
    text = _structured(lines)
    if what == "class":
        text += _fields(thing, "\n".join(lines))
    lines[:] = text


def process_signature(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """Show no arguments of a protocol, which nobody calls."""
    del app, name, options, signature
    return ("", returned) if what == "class" and getattr(thing, "_is_protocol", False) else None


def escaped(line: str) -> str:
    """The line with every mark that stands outside of backticks taken literally."""
    parts = _LITERAL.split(line)
    for place in range(0, len(parts), 2):
        plain = re.sub(r"([*|\\])", r"\\\1", parts[place])
        plain = re.sub(r"(?<=\w)_(?=\W|$)", r"\\_", plain)
        parts[place] = re.sub(r"^(?=\w)", r"\\ ", plain) if place else plain
    return "".join(parts)


def _structured(lines: list[str]) -> list[str]:
    """The docstring with its fields (`name: text`), lists and blocks of code set apart as such."""
    out: list[str | None] = []
    before, in_field, in_code, in_section = "", False, False, False
    for line in lines:
        flush = bool(line.strip()) and not line.startswith(" ")
        in_section = _SECTION.match(line) is not None if flush else in_section
        in_field = bool(line.strip()) and in_field and not _SECTION.match(line)
        in_code = in_code and not flush
        if flush and _FIELD.match(line) and (in_field or not before.strip()) and not in_section:
            in_field = True
            names, _, rest = line.partition(": ")
            out += ["" if before.strip() else None, f"- `{names}`: {escaped(rest)}"]
        elif in_field:
            out.append(f"  {escaped(line.strip())}")
        elif line.startswith("    ") and not before.strip() and not in_section and not in_code:
            in_code = True
            out += [".. code-block:: python", "", line]
        elif in_code:
            out.append(line)
        else:
            is_item = line.startswith("- ") and before.strip() and not before.startswith(("- ", "  "))
            out += ["" if is_item else None, escaped(line)]
        before = line
    return [line for line in out if line is not None]


def _fields(owner: Any, doc: str) -> list[str]:
    """A list of the fields that the docstring does not tell, by their comments or settings."""
    if not inspect.isclass(owner):
        return []
    said = comments_of_fields(owner) | settings_of(owner)
    told = {
        word
        for line in re.findall(r"^ *([a-z_0-9, ]+)(?: \(.*\))?:", doc, re.MULTILINE)
        for word in line.split(", ")
    }
    rest = {name: text for name, text in said.items() if not name.startswith("_") and name not in told}
    if not rest:
        return []
    return [
        "",
        ".. rubric:: Fields",
        "",
        *(f"- ``{name}``: {escaped(text)}" for name, text in rest.items()),
        "",
    ]
