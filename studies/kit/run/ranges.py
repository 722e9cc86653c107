"""What the arguments of a study may be, said where they are declared and checked wherever a study is run.

`chips: Count = 3` in a study's `Args` takes whole numbers of at least 1, `tuple[Share, ...]` at least one
number from 0 to 1. A plain `float` is finite; a tuple may be empty only where it says `MayBeEmpty`.
"""

import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, Final


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False  # whether `low` itself is too low

    def allows(self, value: float) -> bool:
        """Whether a number is finite and in the range."""
        return (
            math.isfinite(value) and self.low <= value <= self.high and not (self.above and value == self.low)
        )

    def __str__(self) -> str:
        if math.isfinite(self.high):
            return f"from {self.low:g} to {self.high:g}"
        if math.isfinite(self.low):
            return f"{'above' if self.above else 'of at least'} {self.low:g}"
        return "that is finite"


class _MayBeEmpty:
    """Marks a tuple that may have no element."""


Count = Annotated[int, Range(1)]
CountOrZero = Annotated[int, Range(0)]
Positive = Annotated[float, Range(0, above=True)]
NonNegative = Annotated[float, Range(0)]
Share = Annotated[float, Range(0, 1)]
MAY_BE_EMPTY: Final = _MayBeEmpty()  # in Annotated[tuple[X, ...], MAY_BE_EMPTY]


def check_arguments(owner: str, args: Any) -> None:
    """Refuse arguments that are out of their ranges.

    Args:
        owner: whose they are, for messages.
        args: a dataclass, whose annotations say what is allowed.

    Raises:
        ValueError: names the argument, its value and what was wanted.
    """
    for name, annotation in typing.get_type_hints(type(args), include_extras=True).items():
        if problem := _problem(annotation, getattr(args, name), Range()):
            raise ValueError(f"{owner}: --{name.replace('_', '-')} {problem}")


def _problem(annotation: Any, value: Any, known: Range) -> str | None:
    """What is wrong with a value, if anything is."""
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        if isinstance(value, tuple) and not value and MAY_BE_EMPTY in parts:
            return None
        known = next((part for part in parts[1:] if isinstance(part, Range)), known)
        return _problem(parts[0], value, known)
    if origin in (typing.Union, types.UnionType):
        problems = [_problem(part, value, known) for part in parts if _may_be(part, value)]
        return problems[0] if problems and all(problems) else None
    if isinstance(value, tuple):
        kinds = parts[:1] * len(value) if parts[1:] == (...,) else parts
        problems = [_problem(kind, item, known) for kind, item in zip(kinds, value, strict=False)]
        return next(
            (p for p in problems if p), None if value or not parts else "is empty; wanted at least one"
        )
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if known.allows(value) and (annotation is not int or value == round(value)):
        return None
    return f"is {value}; wanted a {'whole ' if annotation is int else ''}number {known}"


def _may_be(annotation: Any, value: Any) -> bool:
    """Whether a part of a union speaks of a value."""
    if typing.get_origin(annotation) is typing.Literal:
        return value in typing.get_args(annotation)
    return (annotation is type(None)) == (value is None)
