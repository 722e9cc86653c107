"""What is known of a device's parameter stands beside it: `gain: float = setting(1.0, "of a cell")`.

A device is a frozen dataclass of numbers. `setting` states what each of them means, in which unit and in
which range; the device checks the range when it is made, and calibration reads the rest from here.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Closed = Literal["both", "left", "right", "neither"]
_KEY = "analog.setting"


@dataclass(frozen=True)
class Setting:
    """The description of one parameter of a device; everything is empty where `setting` was not used."""

    meaning: str = ""
    unit: str = ""
    range: tuple[float, float] | None = None
    closed: Closed = "both"
    choices: tuple[str, ...] = ()
    fitted: bool = True

    @property
    def comment(self) -> str:
        """Unit and meaning in one line."""
        return ", ".join(words for words in (self.unit, self.meaning) if words)

    def allows(self, value: object) -> bool:
        """Whether a parameter may have this value; None, where a type allows it, is no number to check."""
        if self.choices:
            return value in self.choices
        if self.range is None or value is None:
            return True
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            return False
        low, high = self.range
        return (low < value or (value == low and self.closed in ("both", "left"))) and (
            value < high or (value == high and self.closed in ("both", "right"))
        )

    @property
    def wanted(self) -> str:
        """The allowed values in words: one of the choices, or an interval and its unit."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        if self.range is None:
            return "any value"
        low, high = self.range
        left = "[" if self.closed in ("both", "left") and math.isfinite(low) else "("
        right = "]" if self.closed in ("both", "right") and math.isfinite(high) else ")"
        return f"a number in {left}{low:g}, {high:g}{right}{f' {self.unit}' if self.unit else ''}"


def setting(
    default: Any = dataclasses.MISSING,
    meaning: str = "",
    *,
    unit: str = "",
    range: tuple[float, float] | None = None,
    closed: Closed = "both",
    choices: tuple[str, ...] = (),
    fitted: bool = True,
) -> Any:
    """A dataclass field for a parameter of a device, which knows what calibration and a reader must know.

    A subclass that only changes the default writes `step: float = 0.01`; the rest is inherited.

    Args:
        default: the parameter's value where none is given; without one, whoever makes the device must say.
        meaning: what the parameter is, in a few words that stand alone.
        unit: of the number ("V rms", "uS", "full scale"); empty for shares and factors.
        range: the lowest and the highest value; an infinite end is never reached. None: not checked.
        closed: which ends belong to the range.
        choices: the words that the parameter may be, where it is a word.
        fitted: whether calibration estimates it from a table. False for what whoever runs the device
            chooses, and for what only shows as a product with other parameters.

    Returns:
        What `dataclasses.field` returns.
    """
    known = Setting(meaning, unit, range, closed, choices, fitted)
    return dataclasses.field(default=default, metadata={_KEY: known})


def settings(device: type[Any]) -> Mapping[str, Setting]:
    """The `Setting` of each field of a kind of device, in the order of its fields.

    A field that is declared again without `setting` keeps what its base class says of it.

    Raises:
        TypeError: `device` is not a dataclass.
    """
    return {field.name: _setting(device, field.name) for field in dataclasses.fields(device)}


def _setting(device: type[Any], name: str) -> Setting:
    for kind in device.__mro__:
        field = getattr(kind, "__dataclass_fields__", {}).get(name)
        if field is not None and _KEY in field.metadata:
            known: Setting = field.metadata[_KEY]
            return known
    return Setting()


def check_settings(device: Any) -> None:
    """Raise ValueError for the first parameter of a device that is out of its range.

    Raises:
        ValueError: names the device, the parameter, its value and what was wanted.
    """
    for name, known in settings(type(device)).items():
        value = getattr(device, name)
        if not known.allows(value):
            raise ValueError(f"{type(device).__name__}: {name} is {value!r}; wanted {known.wanted}")
