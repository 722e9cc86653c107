"""Misspelt flags and values on the command line, answered in one line with the nearest that there is."""

import dataclasses
import types
import typing
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, get_args, get_origin

from .references import BadReference

_ALWAYS = ("--help", "--tyro-print-completion", "--tyro-write-completion")


def require_known_words(owner: str, words: Sequence[str], *settings: type[Any]) -> None:
    """Refuse flags that there are not, and names that a flag does not take.

    Args:
        owner: whose flags they are.
        words: of the command line.
        settings: dataclasses, of which each field is a flag.

    Raises:
        BadReference: names the word, and the nearest right one if there is one near.
    """
    flags = dict(_flags(settings))
    allowed: list[str] | None = None
    for word in words:
        if word.startswith("--"):
            flag, _, value = word.partition("=")
            if flag.replace("_", "-") not in flags:
                raise BadReference(f"{flag}: {owner} has no such flag; {nearest(flag, [*flags])}")
            allowed = flags[flag.replace("_", "-")]
            word = value
        if allowed is not None and word and ":" not in word and word not in allowed:
            raise BadReference(f"{word}: is none of what {flag} takes; {nearest(word, allowed)}")


def nearest(word: str, known: Sequence[str]) -> str:
    """What may have been meant by a word that is not known, else all that is."""
    near = get_close_matches(word, known, 1)
    return f"perhaps {near[0]!r}" if near else f"there are {', '.join(known)}"


def _flags(settings: Sequence[type[Any]]) -> Iterator[tuple[str, list[str] | None]]:
    """Each flag and the names that it takes; None where it takes other values as well."""
    yield from ((flag, None) for flag in _ALWAYS)
    for kind in settings:
        hints = typing.get_type_hints(kind, include_extras=True)
        for field in dataclasses.fields(kind):
            name, leaves = field.name.replace("_", "-"), [*_leaves(hints[field.name])]
            in_names = bool(leaves) and all(isinstance(leaf, str) for leaf in leaves)
            yield f"--{name}", leaves if in_names else None
            if bool in leaves:
                yield f"--no-{name}", None


def _leaves(annotation: Any) -> Iterator[Any]:
    """The names that an annotation allows, and the types besides."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        yield from parts
    elif origin is Annotated and any(hasattr(part, "metavar") for part in parts[1:]):
        yield annotation  # it is named by reference, and that says itself what is wrong
    elif origin is Annotated:
        yield from _leaves(parts[0])
    elif origin in (typing.Union, types.UnionType, tuple):
        for part in parts:
            if part is not ...:
                yield from _leaves(part)
    else:
        yield "None" if annotation is type(None) else annotation
